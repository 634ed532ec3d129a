// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

#include <support/contract_pools.hpp>
#include <support/fake.hpp>

using namespace std::chrono_literals;

using contract::test_pool;
using fake::ids;

// C1 A connection is in exactly one state: the caller's, idle, being closed, or closed. It is closed exactly once.

EACH_POOL("contract: a connection has one owner at a time [C1]") {
    fake::network net;
    test_pool<Pools> conns;
    conns.put("a", net.dial());
    {
        const auto lent = conns.try_acquire("a");
        REQUIRE(lent);
        CHECK_FALSE(conns.try_acquire("a"));
        CHECK_FALSE(conns.take("a"));
    }
    auto taken = conns.take("a");
    REQUIRE(taken);
    CHECK_FALSE(conns.try_acquire("a"));
    taken->close();
}

EACH_POOL("contract: a connection is counted as closing until its close is over [C1]") {
    fake::network net;
    test_pool<Pools> conns;
    conns.put("a", net.dial());
    pool::stats during;
    net[1].on_close = [&] { during = conns.stats(); };
    conns.clear();
    CHECK(during.idle == 0);
    CHECK(during.closing == 1);
    CHECK(conns.stats().closing == 0);
}

EACH_POOL("contract: every way out closes a connection once [C1]") {
    fake::network net;
    pool::manual_clock clock;
    {
        test_pool<Pools> conns{{.max_idle_per_key = 1}, 10s, {}, clock};
        conns.put("evicted, expired", net.dial());
        conns.put("evicted, expired", net.dial());
        conns.acquire("discarded", net.dialer()).discard();
        conns.put("cleared", net.dial());
        conns.clear("cleared");
        clock.advance(10s);
        conns.expire();
        conns.put("idle to the end", net.dial());
    }
    CHECK(net.closed() == ids{1, 3, 4, 2, 5});
}

// C9 Unlinking under the lock is the only claim: whoever unlinks owns the close. No timer holds an entry.

EACH_POOL("contract: one call does not find what another is closing [C9]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    conns.put("a", net.dial());
    clock.advance(10s);
    net[1].on_close = [&] {  // the second one is not closed yet
        CHECK(conns.expire() == 0);
        CHECK(conns.clear() == 0);
        CHECK(conns.close().empty());
        CHECK_FALSE(conns.take("a"));
    };
    CHECK(conns.expire() == 2);
    CHECK(net.closed() == ids{1, 2});
}

EACH_POOL("contract: a look-up and a sweep do not both retire an expired connection [C9]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    clock.advance(10s);
    CHECK_FALSE(conns.take("a"));
    CHECK(conns.expire() == 0);
    CHECK(conns.stats().expired == 1);
}

EACH_POOL("contract: a lent connection does not expire [C9]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    const auto lent = conns.try_acquire("a");
    clock.advance(1h);
    CHECK(conns.expire() == 0);
    CHECK_FALSE(lent->closed());
}

// C15 A moved-from lease is empty; move-assignment gives the old one back first; double return cannot be written.

EACH_POOL("contract: a lease has one owner [C15]") {
    static_assert(!std::is_copy_constructible_v<typename test_pool<Pools>::lease_type>);
    static_assert(!std::is_copy_assignable_v<typename test_pool<Pools>::lease_type>);

    fake::network net;
    test_pool<Pools> conns;
    auto lent = conns.acquire("a", net.dialer());
    const auto moved = std::move(lent);
    CHECK_FALSE(lent);
    CHECK(moved->id() == 1);
    CHECK(conns.stats().lent == 1);
}

EACH_POOL("contract: assigning to a lease gives its connection back [C15]") {
    fake::network net;
    test_pool<Pools> conns;
    auto lent = conns.acquire("a", net.dialer());
    lent = conns.acquire("b", net.dialer());
    CHECK(lent.key() == "b");
    CHECK(conns.stats("a") == pool::key_stats{.idle = 1, .lent = 0});
}
