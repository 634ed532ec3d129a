// SPDX-License-Identifier: BSL-1.0
#include <chrono>

#include <doctest/doctest.h>

#include <support/contract_pools.hpp>
#include <support/fake.hpp>

using namespace std::chrono_literals;

using contract::test_pool;
using fake::ids;

// C7 No path hands out an entry at or after its deadline. No entry expires before its deadline.

EACH_POOL("contract: a connection is not handed out at its deadline [C7]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    clock.advance(10s);
    SUBCASE("by take") { CHECK_FALSE(conns.take("a")); }
    SUBCASE("by try_acquire") { CHECK_FALSE(conns.try_acquire("a")); }
    SUBCASE("by acquire") { CHECK(conns.acquire("a", net.dialer())->id() == 2); }
    SUBCASE("by a lazy connection") { CHECK(conns.get("a", net.dialer()).invoke(&fake::connection::id) == 2); }
    CHECK(conns.stats().expired == 1);
    CHECK(conns.expire() == 0);
    CHECK(net.closed() == ids{1});
}

EACH_POOL("contract: a connection lives until its deadline [C7]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    clock.advance(10s - 1ns);
    CHECK(conns.expire() == 0);
    CHECK(conns.try_acquire("a"));
}

EACH_POOL("contract: age is counted from the last give-back [C7]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 10s, {}, clock};
    {
        const auto lent = conns.acquire("a", net.dialer());
        clock.advance(1h);
    }
    clock.advance(9s);
    CHECK(conns.try_acquire("a"));
    clock.advance(9s);
    CHECK(conns.expire() == 0);
    clock.advance(1s);
    CHECK(conns.expire() == 1);
}

// C18 A clock that stands still or jumps is harmless; deadlines saturate.

EACH_POOL("contract: a clock that stands still expires nothing [C18]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 1ns, {}, clock};
    for (int i = 0; i < 3; ++i) CHECK(conns.acquire("a", net.dialer())->id() == 1);
    CHECK(conns.expire() == 0);
}

EACH_POOL("contract: a clock that jumps forward expires all, once [C18]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    conns.put("b", net.dial());
    clock.set(pool::manual_clock::time_point::max());
    CHECK(conns.expire() == 2);
    CHECK(conns.expire() == 0);
}

EACH_POOL("contract: after a clock has jumped back, each connection keeps to its own deadline [C18]") {
    fake::network net;
    pool::manual_clock clock;
    clock.advance(1h);
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("late", net.dial());
    clock.advance(-1h);
    conns.put("early", net.dial());
    clock.advance(10s);
    CHECK(conns.expire() == 1);
    CHECK(net.closed() == ids{2});
    clock.advance(1h);
    CHECK(conns.expire() == 1);
}

EACH_POOL("contract: a connection that comes back after a clock has jumped back is due by the new time [C18]") {
    fake::network net;
    pool::manual_clock clock;
    clock.advance(1h);
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("later", net.dial());
    {
        const auto lent = conns.acquire("a", net.dialer());
        clock.advance(-1h);
    }
    CHECK(conns.next_expiry() == clock.now() + 10s);
    clock.advance(10s);
    CHECK(conns.expire() == 1);
    CHECK(net.closed() == ids{2});
}

EACH_POOL("contract: a connection whose deadline is beyond the end of time never expires [C18]") {
    fake::network net;
    pool::manual_clock clock;
    clock.set(pool::manual_clock::time_point::max() - 1s);
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    clock.advance(10s);
    CHECK(conns.expire() == 0);
    CHECK(conns.try_acquire("a"));
}
