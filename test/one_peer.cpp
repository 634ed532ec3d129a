// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/pool.hpp>

#include <support/bounded_pool.hpp>
#include <support/fake.hpp>

// A pool of one peer has no_key as its Key, and its calls have no key.

namespace one_peer_cases {

namespace {

using namespace std::chrono_literals;

using real = std::chrono::steady_clock;
using bounded_pool = pool::bounded_pool<pool::no_key, fake::connection>;
using clocked_pool = pool::bounded_pool<pool::no_key, fake::connection, pool::manual_clock>;

constexpr auto id = &fake::connection::id;

static_assert(pool::hashable_key<pool::no_key>);
static_assert(pool::comparable_key<pool::no_key>);
static_assert(pool::viewable_key<pool::no_key>);

/// A dial without arguments.
auto dialer(fake::network& net) {
    return [&net] { return net.dial(); };
}

}  // namespace

TEST_CASE_TEMPLATE("no_key: with a dial of its own, a pool needs neither key nor dial", Pool, bounded_pool,
    pool::connection_pool<pool::no_key, fake::connection>) {
    fake::network net;
    Pool db{{}, dialer(net)};
    CHECK(db.invoke(id) == 1);
    CHECK(db.invoke(5s, id) == 1);
    CHECK(db.invoke(pool::dial_context{}, id) == 1);
    CHECK(db.acquire()->id() == 1);
    CHECK(db.acquire(pool::dial_context{})->id() == 1);
    CHECK(db.get().invoke(id) == 1);
    CHECK(db.try_acquire()->id() == 1);

    std::optional<fake::connection> mine = db.take();
    REQUIRE(mine);
    CHECK(!db.try_acquire());
    CHECK(!db.take());
    db.put(std::move(*mine));
    CHECK(db.stats().idle == 1);
    CHECK(db.clear() == 1);
    CHECK(db.stats().dials == 1);
}

TEST_CASE("no_key: acquire takes all limits") {
    fake::network net;
    bounded_pool db{{}, dialer(net)};
    const std::stop_token stop;
    const auto timeout = 5s;
    CHECK(db.acquire(5s)->id() == 1);
    CHECK(db.acquire(timeout, stop)->id() == 1);
    CHECK(db.acquire(real::now() + 5s)->id() == 1);
    CHECK(db.acquire(real::now() + 5s, stop)->id() == 1);
    CHECK(db.acquire(stop)->id() == 1);
}

TEST_CASE("no_key: a pool takes a dial for each call, too") {
    fake::network net;
    const auto dial = dialer(net);
    pool::basic_pool<pool::no_key, fake::connection, pool::bounded_open> db;
    CHECK(db.acquire(dial)->id() == 1);
    CHECK(db.acquire(dial, 5s)->id() == 1);
    CHECK(db.acquire(dial, real::now() + 5s, std::stop_token{})->id() == 1);
    CHECK(db.acquire(dial, std::stop_token{})->id() == 1);
    CHECK(db.acquire(dial, pool::dial_context{})->id() == 1);
    CHECK(db.get(dial).invoke(id) == 1);
}

TEST_CASE("no_key: a dial may take nothing, the context, the key, or both") {
    fake::network net;
    using context = pool::dial_context;
    const auto deadline = real::now() + 1h;
    real::time_point seen;
    pool::basic_pool<pool::no_key, fake::connection, pool::fixed<0>> db;
    const context limits{.deadline = deadline};
    const auto see = [&](const context& given) {
        seen = given.deadline;
        return net.dial();
    };

    CHECK(db.acquire([&] { return net.dial(); }, limits)->id() == 1);
    CHECK(db.acquire([&](pool::no_key) { return net.dial(); }, limits)->id() == 2);
    CHECK(db.acquire([&](const auto&) { return net.dial(); }, limits)->id() == 3);
    CHECK(db.acquire([&](const context& given) { return see(given); }, limits)->id() == 4);
    CHECK(std::exchange(seen, {}) == deadline);
    CHECK(db.acquire([&](pool::no_key, const context& given) { return see(given); }, limits)->id() == 5);
    CHECK(seen == deadline);
}

TEST_CASE("no_key: code that passes a key works with it") {
    fake::network net;
    bounded_pool db{{}, dialer(net)};
    const pool::no_key key;
    CHECK(db.acquire(key)->id() == 1);
    CHECK(db.acquire(key, dialer(net), 5s)->id() == 1);
    CHECK(db.get(key).invoke(id) == 1);
    CHECK(db.invoke(key, 5s, id) == 1);
    CHECK(db.stats(key).idle == 1);
    CHECK(db.clear(key) == 1);
}

TEST_CASE("no_key: the bounds of one key are those of the pool") {
    fake::network net;
    bounded_pool db{{.max_open = 4, .max_open_per_key = 1, .max_waiting = 0}, dialer(net)};
    const auto lent = db.acquire();
    CHECK_THROWS_AS((void)db.acquire(), pool::queue_full);
}

TEST_CASE("no_key: error messages name no key") {
    fake::network net;
    pool::manual_clock clock;
    clocked_pool db{{.max_open = 1, .acquire_timeout = 10s, .name = "db"}, dialer(net), clock};
    {
        const auto lent = db.acquire();
        using caller = bounded_pools::caller<clocked_pool>;
        caller waits{db, [&](const std::stop_token&) { return db.acquire(); }};
        clock.advance(10s);
        CHECK(waits.error() ==
              "pool \"db\": no connection: its deadline has passed (1 open, 0 idle, 1 lent, 0 dialling, 1 waiting)");
    }
    auto peer = db.get();
    peer.close();
    CHECK_THROWS_WITH_AS(peer.invoke(id), "pool \"db\": a call through a closed connection", pool::connection_closed);
    db.close();
    CHECK_THROWS_WITH_AS(
        (void)db.acquire(), "pool \"db\": no connection: the pool is closed (0 idle, 0 lent)", pool::pool_closed);
}

TEST_CASE("no_key: without a dial, a call that brings none is an error that names the pool") {
    bounded_pool db{{.name = "db"}};
    const char* const text = "pool \"db\": a call without a dial, and the pool has none of its own";
    CHECK_THROWS_WITH_AS((void)db.acquire(), text, pool::no_dial);
    CHECK_THROWS_WITH_AS((void)db.acquire(5s), text, pool::no_dial);
    CHECK_THROWS_WITH_AS((void)db.get(), text, pool::no_dial);
    CHECK_THROWS_WITH_AS(db.invoke(id), text, pool::no_dial);
}

TEST_CASE("no_key: takes no space, and nothing else becomes one") {
    static_assert(std::is_empty_v<pool::no_key>);
    static_assert(!std::is_convertible_v<int, pool::no_key>);
    static_assert(!std::is_aggregate_v<pool::no_key>);
}

}  // namespace one_peer_cases
