// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/pool.hpp>
#include <pool/sharded_pool.hpp>

#include <support/bounded_pool.hpp>
#include <support/fake.hpp>
#include <support/ids.hpp>

// A pool may be given the dial once. Then its calls need not bring one.

namespace own_dial_cases {

namespace {

using namespace std::chrono_literals;

using real = std::chrono::steady_clock;
using bounded_pool = pool::bounded_pool<std::string, fake::connection>;

constexpr auto id = &fake::connection::id;

/// Made in the pool, and never moved.
struct immovable {
    explicit immovable(std::string of) : key{std::move(of)} {}
    immovable(immovable&&) = delete;

    void close() {}
    bool closed() const noexcept { return false; }
    bool unblocked() const noexcept { return true; }

    std::string key;
};

}  // namespace

TEST_CASE_TEMPLATE("own dial: serves acquire, get and invoke", Pool, bounded_pool,
    pool::connection_pool<std::string, fake::connection>) {
    fake::network net;
    std::vector<std::string> dialled;
    Pool conns{{}, [&](const std::string& key) {
                   dialled.push_back(key);
                   return net.dial();
               }};
    auto lent = conns.acquire("a");
    CHECK(lent.key() == "a");
    CHECK(conns.get("a").invoke(id) == 2);
    CHECK(conns.invoke("a", id) == 2);
    CHECK(conns.invoke("a", 5s, id) == 2);
    CHECK(conns.invoke("a", pool::dial_context{}, id) == 2);
    CHECK(conns.invoke("b", id) == 3);
    CHECK(dialled == std::vector<std::string>{"a", "a", "b"});
}

TEST_CASE_TEMPLATE("own dial: only a lease has to be kept, not a call", Pool, bounded_pool,
    pool::connection_pool<std::string, fake::connection>) {
    for (const bool traces : {false, true}) {
        fake::network net;
        Pool conns{{.discard_unless_kept = true, .trace_leases = traces}, net.dialer()};
        conns.invoke("a", id);
        conns.invoke("a", 5s, id);
        conns.get("a").invoke(id);
        CHECK(net.closed().empty());
        (void)conns.acquire("a");
        CHECK(net.closed() == fake::ids{1});
    }
}

TEST_CASE("own dial: a fresh lease may have to be kept") {
    fake::network net;
    bounded_pool conns{{}, net.dialer()};
    (void)conns.acquire_fresh("a", pool::discard_unless_kept);
    CHECK(net.closed() == fake::ids{1});
    (void)conns.acquire_fresh("a", pool::dial_context{}, pool::discard_unless_kept);
    (void)conns.acquire_fresh("a", net.dialer(), 5s, pool::discard_unless_kept);
    (void)conns.acquire_fresh("a", net.dialer(), 5s, std::stop_token{}, pool::discard_unless_kept);
    CHECK(net.closed() == fake::ids{2, 3, 4});
    conns.acquire_fresh("a", pool::discard_unless_kept).keep();
    CHECK(conns.stats().idle == 1);
}

TEST_CASE("own dial: every pool may have one") {
    fake::network net;
    const auto dial = net.dialer();
    pool::basic_pool<int, fake::connection, pool::bounded_open> basic{{}, {}, {}, dial};
    pool::local_pool<int, fake::connection> local{{}, 1min, {}, dial};
    pool::sharded_pool<2, int, fake::connection> sharded{{}, {}, {}, dial};
    CHECK(basic.acquire(1)->id() == 1);
    CHECK(local.acquire(1)->id() == 2);
    CHECK(sharded.acquire(1)->id() == 3);
}

TEST_CASE("own dial: a call may bring another one all the same") {
    fake::network net;
    bounded_pool conns{{}, [](const std::string&) -> fake::connection { throw std::logic_error{"not this one"}; }};
    CHECK(conns.acquire("a", net.dialer())->id() == 1);
    CHECK(conns.get("a", net.dialer()).invoke(id) == 1);
}

TEST_CASE("own dial: acquire takes the limits that it takes with a dial") {
    fake::network net;
    std::stop_source caller;
    std::vector<pool::dial_context> seen;
    std::vector<bool> are_stopped;
    bounded_pool conns{{.max_idle = 0}, [&](const std::string&, const pool::dial_context& context) {
                           caller.request_stop();
                           caller = std::stop_source{};
                           seen.push_back(context);
                           are_stopped.push_back(context.stop.stop_requested());
                           return net.dial();
                       }};
    const auto stop = [&] { return caller.get_token(); };
    const auto deadline = real::now() + 1h;
    (void)conns.acquire("a");
    (void)conns.acquire("a", pool::dial_context{.deadline = deadline, .stop = stop()});
    (void)conns.acquire("a", {.deadline = deadline, .stop = stop()});
    (void)conns.acquire("a", deadline, stop());
    (void)conns.acquire("a", 1h, stop());
    (void)conns.acquire("a", stop());
    (void)conns.acquire("a", deadline);
    REQUIRE(seen.size() == 7);
    CHECK(seen[0].deadline == pool::dial_context{}.deadline);
    for (const std::size_t both : {1U, 2U, 3U}) CHECK(seen[both].deadline == deadline);
    CHECK(seen[4].deadline >= deadline);
    CHECK(seen[5].deadline == pool::dial_context{}.deadline);
    CHECK(seen[6].deadline == deadline);
    CHECK(are_stopped == std::vector{false, true, true, true, true, true, false});
}

TEST_CASE("own dial: a pool whose callers wait obeys these limits") {
    fake::network net;
    pool::manual_clock clock;
    pool::bounded_pool<std::string, fake::connection, pool::manual_clock> conns{{.max_open = 1}, net.dialer(), clock};
    const auto lent = conns.acquire("a");
    using caller = bounded_pools::caller<decltype(conns)>;
    caller relative{conns, [&](const std::stop_token&) { return conns.acquire("a", 5s); }};
    caller absolute{conns, [&, at = clock.now() + 5s](const std::stop_token&) { return conns.acquire("a", at); }};
    caller call{conns, [&](const std::stop_token&) {
                    conns.invoke("a", 5s, id);
                    return decltype(conns)::lease_type{};
                }};
    caller stoppable{conns, [&](std::stop_token stop) { return conns.acquire("a", stop); }};
    clock.advance(5s);
    CHECK_THROWS_AS((void)relative.got(), pool::acquire_timeout);
    CHECK_THROWS_AS((void)absolute.got(), pool::acquire_timeout);
    CHECK_THROWS_AS((void)call.got(), pool::acquire_timeout);
    stoppable.cancel();
    CHECK_THROWS_AS((void)stoppable.got(), pool::acquire_cancelled);
}

TEST_CASE("own dial: may be move-only, an object with a state, or a function") {
    fake::network net;
    auto owned = std::make_unique<int>(0);
    int& count = *owned;
    bounded_pool conns{{.max_idle = 0}, [&net, owned = std::move(owned)](const std::string&) mutable {
                           ++*owned;
                           return net.dial();
                       }};
    (void)conns.acquire("a");
    auto peer = conns.get("a");
    peer.invoke(id);
    CHECK(count == 2);

    pool::bounded_pool<std::string, immovable> others{
        {}, +[](std::string_view key) { return immovable{std::string{key}}; }};
    CHECK(others.acquire("a")->key == "a");
}

TEST_CASE("own dial: Conn need not be movable") {
    const auto dial = [](const std::string& key) { return immovable{key}; };
    const auto with_context = [](const std::string& key, const pool::dial_context&) { return immovable{key}; };
    pool::bounded_pool<std::string, immovable> plain{{}, dial};
    pool::connection_pool<std::string, immovable> context{{}, with_context};
    CHECK(plain.acquire("a")->key == "a");
    CHECK(context.get("b").invoke([](immovable& conn) { return conn.key; }) == "b");
}

TEST_CASE("own dial: its exception reaches the caller unchanged, and nothing stays lent [C12]") {
    struct unreachable {};
    bounded_pool conns{{}, [](const std::string&) -> fake::connection { throw unreachable{}; }};
    CHECK_THROWS_AS((void)conns.acquire("a"), unreachable);
    CHECK_THROWS_AS(conns.invoke("a", id), unreachable);
    CHECK(conns.stats().failed_dials == 2);
    CHECK(conns.stats().lent == 0);
}

TEST_CASE("own dial: lives as long as the pool and its lazy connections") {
    fake::network net;
    auto alive = std::make_shared<int>(0);
    const std::weak_ptr<int> seen = alive;
    std::optional<bounded_pool> conns{std::in_place, pool::bounded_pool_options{},
        [&net, alive = std::move(alive)](const std::string&) { return net.dial(); }};
    {
        auto peer = conns->get("a");
        auto other = conns->get("b");
        CHECK(seen.use_count() == 1);  // shared, not copied
        peer.invoke([&](fake::connection&) { conns.reset(); });
        CHECK(!seen.expired());
        CHECK_THROWS_AS(other.invoke(id), pool::pool_closed);
    }
    CHECK(seen.expired());
}

TEST_CASE("own dial: a close may call the pool while the pool is being destroyed") {
    fake::network net;
    std::string error;
    {
        bounded_pool conns{{.name = "db"}, net.dialer()};
        net.prepare([&](fake::line& line) {
            line.on_close = [&] {
                try {
                    (void)conns.acquire("a");
                } catch (const pool::pool_closed& closed) {
                    error = closed.what();
                }
            };
        });
        (void)conns.acquire("a");
    }
    CHECK(error == "pool \"db\": no connection for key \"a\": the pool is closed (0 idle, 0 lent)");
}

TEST_CASE("own dial: without one, a call that brings none is an error that names the pool") {
    bounded_pool conns{{.name = "db"}};
    const char* const text = "pool \"db\": a call without a dial, and the pool has none of its own";
    CHECK_THROWS_WITH_AS((void)conns.acquire("a"), text, pool::no_dial);
    CHECK_THROWS_WITH_AS((void)conns.acquire("a", 5s), text, pool::no_dial);
    CHECK_THROWS_WITH_AS((void)conns.get("a"), text, pool::no_dial);
    CHECK_THROWS_WITH_AS(conns.invoke("a", id), text, pool::no_dial);
    CHECK(conns.stats() == pool::stats{});
    CHECK(!conns.try_acquire("a"));
}

TEST_CASE("invoke of a pool: gives the connection back, and closes it if the call throws [C14]") {
    fake::network net;
    bounded_pool conns{{}, net.dialer()};
    CHECK(conns.invoke("a", [&](fake::connection& conn) {
        CHECK(conns.stats("a").lent == 1);
        return conn.id();
    }) == 1);
    CHECK(conns.stats("a").idle == 1);
    CHECK_THROWS_AS(
        conns.invoke("a", [](fake::connection&) { throw std::runtime_error{"failed"}; }), std::runtime_error);
    CHECK(net.closed() == std::vector{1});
}

}  // namespace own_dial_cases
