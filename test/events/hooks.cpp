// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/testing/tended_connection.hpp>

#include <support/observed_pool.hpp>

// What the observer of a pool is told of connections with hooks.

namespace observed {

using tended_idle = pool_of<pool::bounded, pool::after_idle, pool::testing::tended_connection>;
using tended_open = pool_of<pool::bounded_open, pool::after_idle, pool::testing::tended_connection>;
template <class Pool>
using tended_fixture = fixture<Pool, pool::after_idle>;

#define EACH_TENDED_POOL(name) TEST_CASE_TEMPLATE(name, Pool, tended_idle, tended_open)

EACH_TENDED_POOL("events: a connection is lent when its check has passed, or retired as unhealthy [C29]") {
    tended_fixture<Pool> f;
    f.put();
    f.dials[1].on_check = [&] {
        f.clock.advance(5ms);
        return true;
    };
    CHECK(f.events_of([&] { f.acquire().give_back(); }) ==
          texts{"\"a\": connection 1 lent, reused", "\"a\": connection 1 given back"});
    f.dials[1].on_check = [] { return false; };
    texts all = f.events_of([&] { f.acquire().give_back(); });
    CHECK(all.at(0) == "\"a\": connection 1 retired: unhealthy");
    CHECK(std::find(all.begin(), all.end(), "\"a\": connection 2 lent, fresh") != all.end());
}

EACH_TENDED_POOL("events: a reset does not count as a part of the use, and may fail") {
    tended_fixture<Pool> f;
    auto lent = f.acquire();
    f.clock.advance(1s);
    f.dials[1].on_reset = [&] { f.clock.advance(1min); };
    CHECK(f.events_of([&] { lent.give_back(); }) == texts{"\"a\": connection 1 given back after 1 s"});
    lent = f.acquire();
    f.clock.advance(2s);
    f.dials[1].on_reset = [&] { throw std::runtime_error{"no"}; };
    CHECK(f.events_of([&] { lent.give_back(); }) ==
          texts{"\"a\": connection 1 retired: reset failed, lent for 2 s", "\"a\": connection 1 closed"});
}

EACH_TENDED_POOL("events: a keep-alive goes well, or retires the connection") {
    tended_fixture<Pool> f{{}, {}, {.keep_alive_every = 1s}};
    f.put();
    f.clock.advance(2s);
    CHECK(f.events_of([&] { f.conns->upkeep(); }) == texts{"\"a\": connection 1 kept alive"});
    f.clock.advance(2s);
    f.dials[1].on_keep_alive = [] { throw std::runtime_error{"no"}; };
    CHECK(f.events_of([&] { f.conns->upkeep(); }) ==
          texts{"\"a\": connection 1 retired: keep-alive failed", "\"a\": connection 1 closed"});
}

EACH_TENDED_POOL("events: a connection that is kept alive while its pool closes, or is invalidated") {
    tended_fixture<Pool> f{{}, {}, {.keep_alive_every = 1s}};
    f.put();
    f.clock.advance(2s);
    SUBCASE("closed") {
        f.dials[1].on_keep_alive = [&] { f.conns->close(); };
        CHECK(f.events_of([&] { f.conns->upkeep(); }).at(0) == "\"a\": connection 1 retired: pool closed");
    }
    SUBCASE("invalidated") {
        f.dials[1].on_keep_alive = [&] { f.conns->invalidate(); };
        CHECK(f.events_of([&] { f.conns->upkeep(); }).at(0) == "\"a\": connection 1 retired: invalidated");
    }
    SUBCASE("expired") {
        f.conns.reset();
        tended_fixture<Pool> g{{}, {10s}, {.keep_alive_every = 1s}};
        g.put();
        g.clock.advance(2s);
        g.dials[1].on_keep_alive = [&] { g.clock.advance(20s); };
        CHECK(g.events_of([&] { g.conns->upkeep(); }) ==
              texts{"\"a\": connection 1 kept alive", "\"a\": connection 1 retired: idle for too long",
                  "\"a\": connection 1 closed"});
    }
}

EACH_TENDED_POOL("events: a connection whose caller leaves before its check is as old as before") {
    using policy = pool::any_of<pool::after_idle, pool::after_lifetime>;
    using pool_type = pool::basic_pool<std::string, pool::testing::tended_connection,
        capacity_of<Pool>, policy, pool::testing::probe_lock, pool::manual_clock>;
    fixture<pool_type, policy> f{{}, policy{pool::after_idle{10s}, pool::after_lifetime{1h}}};
    f.put();
    f.clock.advance(4s);
    using state_type = pool::core::pool_access::state_of<pool_type>;
    state_type& state = *pool::core::pool_access::state(*f.conns);
    auto* const found = state.lend_at_once(typename state_type::hashed{"a"});
    REQUIRE(found != nullptr);
    CHECK(f.events_of([&] { state.give_back(*found); }) ==
          texts{"\"a\": connection 1 lent, reused", "\"a\": connection 1 given back"});
    f.clock.advance(6s);
    CHECK(f.events_of([&] { f.conns->upkeep(); }).at(0) == "\"a\": connection 1 retired: idle for too long");
}

EACH_TENDED_POOL("events: a caller that wants a fresh connection discards the one that it is lent instead") {
    tended_fixture<Pool> f;
    f.put();
    CHECK(f.events_of([&] { f.conns->acquire_fresh("a", f.dial()).give_back(); }).back() ==
          "\"a\": connection 2 given back");
}

/// A connection that says when it expires.
struct polite : fake_connection {
    using fake_connection::fake_connection;
    explicit(false) polite(fake_connection&& from) noexcept : fake_connection{std::move(from)} {}
};

}  // namespace observed
template <>
struct pool::connection_traits<observed::polite> : pool::member_connection_traits<observed::polite> {
    static std::chrono::nanoseconds expires(const observed::polite&) noexcept { return std::chrono::seconds{5}; }
};
namespace observed {

TEST_CASE("events: a connection that expires by its own word") {
    using policy = pool::any_of<pool::after_idle, pool::at_own_deadline>;
    using pool_type = pool_of<pool::bounded, policy, polite>;
    fixture<pool_type, policy> f{{}, policy{pool::after_idle{10s}, pool::at_own_deadline{}}};
    f.put();
    f.clock.advance(5s);
    CHECK(f.events_of([&] { f.conns->expire(); }).at(0) == "\"a\": connection 1 retired: expired by its own word");
}

}  // namespace observed
