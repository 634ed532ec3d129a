// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <stdexcept>
#include <utility>

#include <doctest/doctest.h>

#include <pool/error.hpp>
#include <pool/stats.hpp>

#include <support/contract_pools.hpp>
#include <support/fake.hpp>

using namespace std::chrono_literals;

using contract::test_pool;
using fake::ids;

// C2 Never more than max_idle() idle, nor max_idle_for(key) of one key.

TEST_CASE("contract: the bounds hold at every instant [C2]") {
    fake::network net;
    test_pool<> conns{{.max_idle = 3, .max_idle_per_key = 2}};
    const auto check_bounds = [&] {
        CHECK(conns.stats().idle <= 3);
        CHECK(conns.stats("a").idle <= 2);
    };
    net.prepare([&](fake::line& each) { each.on_close = check_bounds; });
    for (const auto* key : {"a", "a", "a", "b", "b", "c", "a", "a"}) {
        conns.put(key, net.dial());
        check_bounds();
    }
    CHECK(net.closed() == ids{1, 2, 3, 4, 5});
}

EACH_POOL("contract: lent connections do not count towards the bounds [C2]") {
    fake::network net;
    test_pool<Pools> conns{{.max_idle = Pools::parts}};
    const auto first = conns.acquire("a", net.dialer());
    const auto second = conns.acquire("a", net.dialer());
    conns.put("a", net.dial());
    CHECK(net.closed().empty());
    CHECK(conns.stats("a") == pool::key_stats{.idle = 1, .lent = 2});
}

// C3 A full key gives up its own oldest; then a full pool its globally oldest, whatever its key.

EACH_POOL("contract: a full key gives up its own oldest, though another key has an older one [C3]") {
    fake::network net;
    test_pool<Pools> conns{{.max_idle = 3 * Pools::parts, .max_idle_per_key = 2}};
    for (const auto* key : {"b", "a", "a", "a"}) conns.put(key, net.dial());
    CHECK(net.closed() == ids{2});
}

TEST_CASE("contract: a full pool gives up the oldest of all, whatever its key [C3]") {
    fake::network net;
    test_pool<> conns{{.max_idle = 3, .max_idle_per_key = 2}};
    for (const auto* key : {"b", "a", "a", "c"}) conns.put(key, net.dial());
    CHECK(net.closed() == ids{1});
}

EACH_POOL("contract: the victim may be the last of the key that is being put [C3]") {
    fake::network net;
    test_pool<Pools> conns{{.max_idle = Pools::parts}};
    conns.put("a", net.dial());
    conns.put("a", net.dial());
    CHECK(net.closed() == ids{1});
    CHECK(conns.try_acquire("a")->id() == 2);
}

TEST_CASE("contract: using a connection makes it the youngest [C3]") {
    fake::network net;
    test_pool<> conns{{.max_idle = 2}};
    conns.put("a", net.dial());
    conns.put("b", net.dial());
    CHECK(conns.try_acquire("a")->id() == 1);
    conns.put("c", net.dial());
    CHECK(net.closed() == ids{2});
}

// C4 Order within a key: oldest given back first by default; newest first by a setting.

EACH_POOL("contract: the connection that was given back first is reused first [C4]") {
    fake::network net;
    test_pool<Pools> conns;
    for (int i = 0; i < 3; ++i) conns.put("a", net.dial());
    CHECK(conns.try_acquire("a")->id() == 1);
    CHECK(conns.try_acquire("a")->id() == 2);
    CHECK(conns.try_acquire("a")->id() == 3);
    CHECK(conns.try_acquire("a")->id() == 1);
}

EACH_POOL("contract: the connection that was given back last is reused first, if the setting says so [C4]") {
    fake::network net;
    test_pool<Pools> conns{{}, {}, {.reuse = pool::reuse_order::newest_first}};
    for (int i = 0; i < 3; ++i) conns.put("a", net.dial());
    const auto third = conns.try_acquire("a");
    CHECK(third->id() == 3);
    CHECK(conns.try_acquire("a")->id() == 2);
    CHECK(conns.try_acquire("a")->id() == 2);
}

// C5 A blocked entry is skipped. It keeps its place and age, counts towards the bounds, and may be evicted.

EACH_POOL("contract: a blocked connection is skipped [C5]") {
    fake::network net;
    test_pool<Pools> conns;
    conns.put("a", net.dial());
    conns.put("a", net.dial());
    net[1].blocked = true;
    CHECK(conns.try_acquire("a")->id() == 2);
    CHECK(conns.stats().skipped_blocked == 1);
}

EACH_POOL("contract: a key whose connections are all blocked is a miss [C5]") {
    fake::network net;
    test_pool<Pools> conns;
    conns.put("a", net.dial());
    net[1].blocked = true;
    CHECK_FALSE(conns.try_acquire("a"));
    CHECK(conns.stats().misses == 1);
    CHECK(conns.acquire("a", net.dialer())->id() == 2);
}

EACH_POOL("contract: a skipped connection keeps its place [C5]") {
    fake::network net;
    test_pool<Pools> conns;
    conns.put("a", net.dial());
    conns.put("a", net.dial());
    net[1].blocked = true;
    CHECK(conns.try_acquire("a")->id() == 2);
    net[1].blocked = false;
    CHECK(conns.try_acquire("a")->id() == 1);
}

EACH_POOL("contract: a skipped connection keeps its age [C5]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    net[1].blocked = true;
    clock.advance(9s);
    CHECK_FALSE(conns.try_acquire("a"));
    clock.advance(1s);
    CHECK(conns.expire() == 1);
}

EACH_POOL("contract: a blocked connection counts towards the bounds and may be evicted [C5]") {
    fake::network net;
    test_pool<Pools> conns{{.max_idle_per_key = 2}};
    conns.put("a", net.dial());
    conns.put("a", net.dial());
    net[1].blocked = true;
    conns.put("a", net.dial());
    CHECK(net.closed() == ids{1});
}

// C6 A dead entry met on the way is retired in the same step, and closed later. One that is dead when it comes back, or
// is put, is closed. One that is released is not.

EACH_POOL("contract: dead connections are dropped by the look-up that meets them [C6]") {
    fake::network net;
    test_pool<Pools> conns;
    for (int i = 0; i < 4; ++i) conns.put("a", net.dial());
    net[1].dead = net[2].dead = true;
    CHECK(conns.try_acquire("a")->id() == 3);
    CHECK(conns.stats().found_closed == 2);
    CHECK(conns.stats("a").idle == 2);
    CHECK(net.closed() == ids{1});  // by the give-back, which closes one that others have left
}

EACH_POOL("contract: a dead connection that comes back is closed, and not kept [C6]") {
    fake::network net;
    test_pool<Pools> conns;
    SUBCASE("by put") {
        auto dead = net.dial();
        net[1].dead = true;
        conns.put("a", std::move(dead));
    }
    SUBCASE("by the end of a lease") {
        const auto lent = conns.acquire("a", net.dialer());
        net[1].dead = true;
    }
    CHECK(conns.stats().idle == 0);
    CHECK(conns.stats().refused == 1);
    CHECK(net.closed() == ids{1});
}

EACH_POOL("contract: a connection that its user has closed is not closed again [C6]") {
    fake::network net;
    test_pool<Pools> conns;
    SUBCASE("before put") {
        auto closed = net.dial();
        closed.close();
        conns.put("a", std::move(closed));
    }
    SUBCASE("while it is lent") { conns.acquire("a", net.dialer())->close(); }
    CHECK(conns.stats().idle == 0);
    CHECK(conns.stats().refused == 1);
    CHECK(net[1].closes == 1);
}

// C6 A dial that returns a dead connection has failed.

EACH_POOL("contract: a dial that returns a dead connection has failed, and that is closed [C6]") {
    fake::network net;
    test_pool<Pools> conns;
    net.prepare([](fake::line& line) { line.dead = true; });
    CHECK_THROWS_AS((void)conns.acquire("a", net.dialer()), pool::dial_failed);
    CHECK_THROWS_AS(conns.get("a", net.dialer()).invoke(&fake::connection::id), pool::dial_failed);
    CHECK(net.closed() == ids{1, 2});
    CHECK(conns.stats() == pool::stats{.misses = 2, .failed_dials = 2});

    net.prepare([](fake::line& line) {
        line.dead = true;
        line.on_close = [] { throw std::runtime_error{"no answer"}; };
    });
    CHECK_THROWS_AS((void)conns.acquire("a", net.dialer()), pool::dial_failed);
    CHECK(conns.stats() == pool::stats{.misses = 3, .failed_dials = 3, .failed_closes = 1});
}
