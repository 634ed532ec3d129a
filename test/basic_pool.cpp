// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/fake.hpp>

using namespace std::chrono_literals;

namespace {

using ids = std::vector<int>;

/// A pool with defaults but for the types.
template <class Key, class Conn = fake::connection>
using plain_pool = pool::basic_pool<Key, Conn>;

using bounded_pool = pool::basic_pool<std::string, fake::connection, pool::bounded>;
using timed_pool =
    pool::basic_pool<std::string, fake::connection, pool::bounded, pool::after_idle, std::mutex, pool::manual_clock>;

}  // namespace

// Construction

TEST_CASE("basic_pool: a pool without arguments keeps all that comes back") {
    fake::network net;
    plain_pool<std::string> conns;
    for (int i = 0; i < 100; ++i) conns.put("a", net.dial());
    CHECK(conns.stats("a").idle == 100);
    CHECK(conns.name().empty());
}

TEST_CASE("basic_pool: the constructor takes capacity, expiry, settings and clock") {
    fake::network net;
    pool::manual_clock clock;
    timed_pool conns{{.max_idle_per_key = 2}, 10s, {.reuse = pool::reuse_order::newest_first, .name = "peers"}, clock};
    for (int i = 0; i < 3; ++i) conns.put("a", net.dial());
    CHECK(net.closed() == ids{1});
    CHECK(conns.try_acquire("a")->id() == 3);
    CHECK(conns.name() == "peers");
    clock.advance(10s);
    CHECK(conns.clock().now() == clock.now());
    CHECK(conns.expire() == 2);
}

TEST_CASE("basic_pool: a pool stays where it is") {
    static_assert(!std::is_copy_constructible_v<bounded_pool> && !std::is_copy_assignable_v<bounded_pool>);
    static_assert(!std::is_move_constructible_v<bounded_pool> && !std::is_move_assignable_v<bounded_pool>);
}

namespace {

/// Keeps more of some keys than of others.
struct by_tenant {
    std::size_t max_idle() const noexcept { return pool::no_limit; }
    std::size_t max_idle_for(const std::string& tenant) const noexcept { return tenant == "large" ? 3 : 1; }
};

/// Must not be read.
struct stopped_clock : std::chrono::steady_clock {
    static time_point now() { throw std::logic_error{"read"}; }
};

}  // namespace

TEST_CASE("basic_pool: a capacity policy is asked for the key at hand [C2]") {
    fake::network net;
    pool::basic_pool<std::string, fake::connection, by_tenant> conns;
    for (int i = 0; i < 4; ++i) conns.put("large", net.dial());
    for (int i = 0; i < 4; ++i) conns.put("small", net.dial());
    CHECK(conns.stats("large").idle == 3);
    CHECK(conns.stats("small").idle == 1);
}

TEST_CASE("basic_pool: where nothing expires, the clock is not read") {
    using untimed_pool =
        pool::basic_pool<int, fake::connection, pool::unlimited, pool::never, std::mutex, stopped_clock>;
    static_assert(!untimed_pool::can_expire);
    fake::network net;
    untimed_pool conns;
    (void)conns.acquire(1, net.dialer());
    conns.put(1, net.dial());
    conns.take(1)->close();
    CHECK(conns.clear() == 1);
}

// Dialling

TEST_CASE("basic_pool: a dial is called on a miss only, and gets the key") {
    fake::network net;
    plain_pool<std::string> conns;
    std::vector<std::string> dialled;
    const auto dial = [&](const std::string& key) {
        dialled.push_back(key);
        return net.dial();
    };
    for (const auto* key : {"a", "b", "a"}) (void)conns.acquire(key, dial);
    CHECK(dialled == std::vector<std::string>{"a", "b"});
}

TEST_CASE("basic_pool: a dial that asks for the limits gets those of the call") {
    fake::network net;
    plain_pool<std::string> conns;
    std::stop_source caller;
    const pool::dial_context limits{std::chrono::steady_clock::time_point{7s}, caller.get_token()};
    const auto dial = [&](const std::string& key, const pool::dial_context& got) {
        CHECK(key == "a");
        CHECK(&got == &limits);
        return net.dial();
    };
    (void)conns.acquire("a", dial, limits);
    CHECK(net.dials() == 1);
}

TEST_CASE("basic_pool: without limits, a dial may take for ever") {
    fake::network net;
    plain_pool<std::string> conns;
    const auto dial = [&](const std::string&, const pool::dial_context& got) {
        CHECK(got.deadline == std::chrono::steady_clock::time_point::max());
        CHECK_FALSE(got.stop.stop_possible());
        return net.dial();
    };
    (void)conns.acquire("a", dial);
    CHECK(net.dials() == 1);
}

TEST_CASE("basic_pool: a dial that takes anything gets the key and the limits") {
    fake::network net;
    plain_pool<std::string> conns;
    bool limited = false;
    const auto dial = [&](const auto& key, const auto&... rest) {
        static_assert(std::same_as<decltype(key), const std::string&>);
        limited = std::same_as<void(decltype(rest)...), void(const pool::dial_context&)>;
        return net.dial();
    };
    (void)conns.acquire("a", dial);
    CHECK(limited);
}

TEST_CASE("basic_pool: a dial is used where it is") {
    fake::network net;
    plain_pool<std::string> conns;
    int calls = 0;
    auto dial = [&net, &calls, mine = 0](const std::string&) mutable {
        calls = ++mine;
        return net.dial();
    };
    const auto first = conns.acquire("a", dial);
    const auto second = conns.acquire("a", dial);
    CHECK(calls == 2);
}

TEST_CASE("basic_pool: a dial need not be copyable") {
    fake::network net;
    plain_pool<std::string> conns;
    const auto dialer = [&] {
        return [&net, token = std::make_unique<int>()](const std::string&) { return net.dial(); };
    };
    CHECK(conns.acquire("a", dialer())->id() == 1);
    CHECK(conns.get("b", dialer()).invoke(&fake::connection::id) == 2);
}

TEST_CASE("basic_pool: a dial may be a member of the key") {
    struct host {
        fake::network* net;
        bool operator==(const host&) const = default;
        fake::connection dial() const { return net->dial(); }
    };
    fake::network net;
    plain_pool<host> conns;
    CHECK(conns.acquire({&net}, &host::dial)->id() == 1);
}

TEST_CASE("basic_pool: what dial throws reaches the caller as it was thrown [C12]") {
    plain_pool<std::string> conns;
    const auto thrown = std::make_exception_ptr(42);
    const auto dial = [&](const std::string&) -> fake::connection { std::rethrow_exception(thrown); };
    const auto caught_from = [](const auto& call) {
        try {
            call();
        } catch (...) {
            return std::current_exception();
        }
        return std::exception_ptr{};
    };
    CHECK(caught_from([&] { (void)conns.acquire("a", dial); }) == thrown);
    CHECK(caught_from([&] { conns.get("a", dial).invoke(&fake::connection::id); }) == thrown);
}

TEST_CASE("basic_pool: a dial may acquire from the same key [C8]") {
    fake::network net;
    plain_pool<std::string> conns;
    const auto lent = conns.acquire("a", [&](const std::string& key) {
        const auto via = conns.acquire(key, net.dialer());
        CHECK(via->id() == 1);
        return net.dial();
    });
    CHECK(lent->id() == 2);
    CHECK(conns.stats("a") == pool::key_stats{.idle = 1, .lent = 1});
}

// Errors

TEST_CASE("basic_pool: a closed pool says its name, the key and what it holds [C11]") {
    fake::network net;
    bounded_pool conns{{}, {}, {.name = "peers"}};
    const auto lent = conns.acquire("a", net.dialer());
    conns.put("a", net.dial());
    conns.close();
    CHECK_THROWS_WITH_AS((void)conns.acquire("b", net.dialer()),
        R"(pool "peers": no connection for key "b": the pool is closed (0 idle, 1 lent))", pool::pool_closed);
}

TEST_CASE("basic_pool: a lazy connection of a closed pool says the same [C11]") {
    fake::network net;
    bounded_pool conns{{}, {}, {.name = "peers"}};
    auto peer = conns.get("b", net.dialer());
    conns.close();
    CHECK_THROWS_WITH_AS(peer.invoke([](fake::connection&) {}),
        R"(pool "peers": no connection for key "b": the pool is closed (0 idle, 0 lent))", pool::pool_closed);
}

namespace {

enum class shard : unsigned char { first, second };

struct endpoint {
    std::string host;
    unsigned short port = 0;
    shard of{};

    bool operator==(const endpoint&) const = default;
};

/// What a closed pool says of a key.
template <class Key>
std::string refusal_of(const Key& key) {
    fake::network net;
    plain_pool<Key> conns;
    conns.close();
    try {
        (void)conns.acquire(key, net.dialer());
        return "no refusal";
    } catch (const pool::pool_closed& refusal) {
        return refusal.what();
    }
}

}  // namespace

TEST_CASE("basic_pool: an error shows the key as far as it can be printed") {
    CHECK(refusal_of(7) == R"(pool "": no connection for key 7: the pool is closed (0 idle, 0 lent))");
    CHECK(refusal_of(shard::second) == R"(pool "": no connection for key 1: the pool is closed (0 idle, 0 lent))");
    CHECK(refusal_of(endpoint{"a", 1}) ==
          R"(pool "": no connection for key (not printable): the pool is closed (0 idle, 0 lent))");
}

TEST_CASE("basic_pool: close() says which pool failed to close what [C11]") {
    fake::network net;
    bounded_pool conns{{}, {}, {.name = "peers"}};
    for (int i = 0; i < 2; ++i) conns.put("a", net.dial());
    net[2].on_close = [] { throw std::runtime_error{"reset by peer"}; };
    const auto errors = conns.close();
    CHECK_THROWS_WITH_AS(errors.rethrow(), R"(pool "peers": 1 failed to close: reset by peer)", pool::close_errors);
    CHECK_THROWS_WITH_AS(std::rethrow_exception(*errors.begin()), "reset by peer", std::runtime_error);
}

TEST_CASE("basic_pool: close() says that all went well [C11]") {
    bounded_pool conns{{}, {}, {.name = "peers"}};
    CHECK(std::string{conns.close().what()} == "no errors");
}

// Keys

namespace {

/// Whether a pool finds a connection again by an equal key, and not by another one.
template <class Key>
void check_told_apart(const Key& one, const std::type_identity_t<Key>& other) {
    fake::network net;
    plain_pool<Key> conns;
    conns.put(one, net.dial());
    CHECK_FALSE(conns.try_acquire(other));
    const auto found = conns.try_acquire(Key(one));
    REQUIRE(found);
    CHECK(found.key() == one);
}

}  // namespace

TEST_CASE("basic_pool: a key may be a string, a number, an enum, an aggregate, a pair or a pointer") {
    SUBCASE("string") { check_told_apart(std::string{"a"}, "b"); }
    SUBCASE("wide string") { check_told_apart(std::wstring{L"a"}, L"b"); }
    SUBCASE("number") { check_told_apart(1, 2); }
    SUBCASE("enum class") { check_told_apart(shard::first, shard::second); }
    SUBCASE("aggregate, by its first field") { check_told_apart(endpoint{"a", 1}, {"b", 1}); }
    SUBCASE("aggregate, by its second field") { check_told_apart(endpoint{"a", 1}, {"a", 2}); }
    SUBCASE("aggregate, by its last field") { check_told_apart(endpoint{"a", 1}, {"a", 1, shard::second}); }
    SUBCASE("pair") { check_told_apart(std::pair{std::string{"a"}, 1}, {"a", 2}); }
    SUBCASE("pointer") { check_told_apart(std::make_shared<int>(1), std::make_shared<int>(1)); }
}

TEST_CASE("basic_pool: a string key is found by any kind of string") {
    fake::network net;
    plain_pool<std::string> conns;
    conns.put("host", net.dial());
    CHECK(conns.try_acquire("host"));
    CHECK(conns.try_acquire(std::string{"host"}));
    CHECK(conns.try_acquire(std::string_view{"host:7777"}.substr(0, 4)));
}

TEST_CASE("basic_pool: an aggregate key is written in braces") {
    fake::network net;
    plain_pool<endpoint> conns;
    conns.put({"a", 1}, net.dial());
    CHECK(conns.try_acquire({"a", 1}));
    CHECK(conns.stats({.host = "a", .port = 1}).idle == 1);
}

// Connections

namespace {

/// Cannot be moved.
struct pinned_connection : fake::connection {
    explicit pinned_connection(fake::network& net) : connection{net.dial()} {}
    pinned_connection(pinned_connection&&) = delete;
};

/// A handle of some C library, which has a function to close it.
enum class handle : int { none = -1 };

}  // namespace

template <>
struct pool::connection_traits<handle> {
    static void close(handle& h) { closed_handles.push_back(std::exchange(h, handle::none)); }
    static bool closed(const handle& h) noexcept { return h == handle::none; }
    static bool unblocked(const handle&) noexcept { return true; }

    static inline std::vector<handle> closed_handles;
};

TEST_CASE_TEMPLATE("basic_pool: a connection may be a pointer", Pointer, std::unique_ptr<fake::connection>,
    std::shared_ptr<fake::connection>) {
    fake::network net;
    plain_pool<std::string, Pointer> conns;
    const auto dial = [&](const std::string&) { return std::make_unique<fake::connection>(net.dial()); };
    CHECK((*conns.acquire("a", dial))->id() == 1);
    net[1].blocked = true;
    CHECK((*conns.acquire("a", dial))->id() == 2);
    net[2].dead = true;
    CHECK((*conns.acquire("a", dial))->id() == 3);
    conns.clear();
    CHECK(net.closed() == ids{1, 3});
}

TEST_CASE_TEMPLATE("basic_pool: a null pointer is lent, but not kept [C6]", Pointer, std::unique_ptr<fake::connection>,
    std::shared_ptr<fake::connection>) {
    plain_pool<std::string, Pointer> conns;
    CHECK(*conns.acquire("a", [](const std::string&) { return Pointer{}; }) == nullptr);
    conns.put("a", Pointer{});
    CHECK(conns.stats().idle == 0);
    CHECK(conns.stats().refused == 2);
}

TEST_CASE("basic_pool: a connection that cannot be moved has one address for life") {
    fake::network net;
    plain_pool<std::string, pinned_connection> conns;
    const auto dial = [&](const std::string&) { return pinned_connection{net}; };
    const auto address = [](pinned_connection& c) { return &c; };
    const auto* const first = &*conns.acquire("a", dial);
    CHECK(&*conns.try_acquire("a") == first);
    CHECK(conns.get("a", dial).invoke(address) == first);
    CHECK(conns.clear() == 1);
}

TEST_CASE("basic_pool: a connection may be a handle that has traits") {
    auto& closed = pool::connection_traits<handle>::closed_handles;
    closed.clear();
    plain_pool<int, handle> conns;
    CHECK(*conns.acquire(1, [](int) { return handle{3}; }) == handle{3});
    conns.put(1, handle{4});
    CHECK(conns.take(1) == handle{3});  // which is the caller's now
    conns.close();
    CHECK(closed == std::vector{handle{4}});
}

// try_acquire, take and put

TEST_CASE("basic_pool: try_acquire is empty where acquire would dial") {
    fake::network net;
    plain_pool<std::string> conns;
    CHECK_FALSE(conns.try_acquire("a"));
    conns.put("a", net.dial());
    CHECK(conns.try_acquire("a"));
    CHECK(conns.stats().misses == 1);
    CHECK(conns.stats().hits == 1);
}

TEST_CASE("basic_pool: what is taken is the caller's, and can be put back") {
    fake::network net;
    plain_pool<std::string> conns;
    conns.put("a", net.dial());
    auto taken = conns.take("a");
    REQUIRE(taken);
    CHECK(conns.stats().keys == 0);
    CHECK_FALSE(conns.take("a"));
    conns.put("b", std::move(*taken));
    CHECK(conns.try_acquire("b")->id() == 1);
}

TEST_CASE("basic_pool: a put that could not move its connection can be tried again [C12]") {
    fake::network net;
    plain_pool<std::string, fake::fragile_connection> conns;
    fake::fragile_connection mine{net.dial()};
    net[1].stuck = true;
    CHECK_THROWS_WITH(conns.put("a", std::move(mine)), "stuck");
    net[1].stuck = false;
    conns.put("a", std::move(mine));
    CHECK(conns.try_acquire("a")->id() == 1);
}

TEST_CASE("basic_pool: a take that cannot move its connection closes it [C12]") {
    fake::network net;
    plain_pool<std::string, fake::fragile_connection> conns;
    conns.put("a", fake::fragile_connection{net.dial()});
    net[1].stuck = true;
    CHECK_THROWS_WITH((void)conns.take("a"), "stuck");
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats() == pool::stats{.hits = 1, .puts = 1});
}

TEST_CASE("basic_pool: where nothing may be idle, a put closes at once [C2]") {
    fake::network net;
    bounded_pool conns;
    SUBCASE("in all") { conns.reconfigure({.max_idle = 0}); }
    SUBCASE("of one key") { conns.reconfigure({.max_idle_per_key = 0}); }
    conns.put("a", net.dial());
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats().refused == 1);
}

// expire and next_expiry

TEST_CASE("basic_pool: expire() closes what is due, the earliest first, and says how many [C7]") {
    fake::network net;
    pool::manual_clock clock;
    timed_pool conns{{}, 10s, {}, clock};
    for (const auto* key : {"a", "b", "a"}) {
        conns.put(key, net.dial());
        clock.advance(1s);
    }
    clock.advance(8s);
    CHECK(conns.expire() == 2);
    CHECK(net.closed() == ids{1, 2});
}

TEST_CASE("basic_pool: next_expiry() is the earliest deadline of what is idle") {
    fake::network net;
    pool::manual_clock clock;
    timed_pool conns{{}, 10s, {}, clock};
    const auto start = clock.now();
    conns.put("a", net.dial());
    clock.advance(1s);
    conns.put("b", net.dial());
    CHECK(conns.next_expiry() == start + 10s);
    const auto lent = conns.try_acquire("a");
    CHECK(conns.next_expiry() == start + 11s);
}

TEST_CASE("basic_pool: while nothing is idle, next_expiry() is the deadline of what comes back now") {
    pool::manual_clock clock;
    timed_pool conns{{}, 10s, {}, clock};
    CHECK(conns.next_expiry() == clock.now() + 10s);
    clock.advance(5s);
    CHECK(conns.next_expiry() == clock.now() + 10s);
}

TEST_CASE("basic_pool: once it is closed, nothing is due") {
    fake::network net;
    timed_pool conns{{}, 10s};
    const auto lent = conns.acquire("a", net.dialer());
    conns.close();
    CHECK(conns.next_expiry() == timed_pool::time_point::max());
}

// clear and reconfigure

TEST_CASE("basic_pool: clear() closes what is idle, the oldest first, and says how many") {
    fake::network net;
    plain_pool<std::string> conns;
    const auto lent = conns.acquire("a", net.dialer());
    for (const auto* key : {"a", "b", "a"}) conns.put(key, net.dial());
    CHECK(conns.clear() == 3);
    CHECK(net.closed() == ids{2, 3, 4});
    CHECK(conns.clear() == 0);
}

TEST_CASE("basic_pool: clear(key) closes what is idle of that key") {
    fake::network net;
    plain_pool<std::string> conns;
    for (const auto* key : {"a", "b", "a"}) conns.put(key, net.dial());
    CHECK(conns.clear("a") == 2);
    CHECK(net.closed() == ids{1, 3});
    CHECK(conns.clear("unknown") == 0);
    CHECK(conns.stats("b").idle == 1);
}

TEST_CASE("basic_pool: a cleared pool goes on") {
    fake::network net;
    plain_pool<std::string> conns;
    auto lent = conns.acquire("a", net.dialer());
    conns.clear();
    lent.give_back();
    CHECK(conns.try_acquire("a")->id() == 1);
}

TEST_CASE("basic_pool: a smaller capacity evicts at once, of each key and then of all the oldest [C3]") {
    fake::network net;
    bounded_pool conns;
    for (const auto* key : {"b", "a", "a", "a", "c"}) conns.put(key, net.dial());
    CHECK(conns.reconfigure({.max_idle = 3, .max_idle_per_key = 2}) == 2);
    CHECK(net.closed() == ids{2, 1});
    CHECK(conns.stats().evicted == 2);
}

TEST_CASE("basic_pool: a smaller capacity holds for what comes back later [C2]") {
    fake::network net;
    bounded_pool conns;
    auto lent = conns.acquire("a", net.dialer());
    CHECK(conns.reconfigure({.max_idle = 1}) == 0);
    conns.put("b", net.dial());
    lent.give_back();
    CHECK(net.closed() == ids{2});
}

TEST_CASE("basic_pool: a larger capacity evicts nothing and keeps more [C2]") {
    fake::network net;
    bounded_pool conns{{.max_idle = 1}};
    conns.put("a", net.dial());
    CHECK(conns.reconfigure({.max_idle = 2}) == 0);
    conns.put("a", net.dial());
    CHECK(conns.stats("a").idle == 2);
}

// stats

TEST_CASE("basic_pool: the figures of a key are its own") {
    fake::network net;
    plain_pool<std::string> conns;
    const auto lent = conns.acquire("a", net.dialer());
    conns.put("a", net.dial());
    conns.put("a", net.dial());
    conns.put("b", net.dial());
    CHECK(conns.stats("a") == pool::key_stats{.idle = 2, .lent = 1});
    CHECK(conns.stats("b") == pool::key_stats{.idle = 1, .lent = 0});
    CHECK(conns.stats("unknown") == pool::key_stats{});
    CHECK(conns.stats().keys == 2);
}

TEST_CASE("basic_pool: the key of a put may be a part of the connection") {
    struct peer_connection {
        std::string peer;
        bool open = true;

        void close() { open = false; }
        bool closed() const noexcept { return !open; }
        bool unblocked() const noexcept { return true; }
    };
    pool::basic_pool<std::string, peer_connection> conns;
    peer_connection conn{"short"};
    conns.put(conn.peer, std::move(conn));
    CHECK(conns.try_acquire("short"));
}

TEST_CASE("basic_pool: the key of an acquire may end with what its dial gives back") {
    fake::network net;
    pool::basic_pool<std::string, fake::connection, pool::fixed<1>> conns;
    auto first = conns.acquire("a key that is longer than the buffer of a string", net.dialer());
    const auto second = conns.acquire(first.key(), [&](const std::string&) {
        first.discard();
        return net.dial();
    });
    CHECK(second.key() == "a key that is longer than the buffer of a string");
}
