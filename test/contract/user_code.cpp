// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include <support/contract_pools.hpp>
#include <support/fake.hpp>

using namespace std::chrono_literals;

using contract::pool_of;
using contract::test_pool;
using contract::watched_lock;
using fake::ids;

// C8 No user code under the lock. Calling the pool back from close, dial or a destructor works.

EACH_POOL("contract: dial may call the pool [C8]") {
    fake::network net;
    test_pool<Pools> conns;
    const auto lent = conns.acquire("a", [&](const std::string& key) {
        CHECK_FALSE(watched_lock::held);
        conns.put("b", net.dial());
        CHECK_FALSE(conns.try_acquire(key));
        CHECK(conns.clear() == 1);
        return net.dial();
    });
    CHECK(lent->id() == 2);
}

EACH_POOL("contract: close may call the pool, whichever call closes [C8]") {
    fake::network net;
    pool::manual_clock clock;
    std::optional<test_pool<Pools>> conns;
    conns.emplace(pool::bounded{.max_idle_per_key = 1}, 10s, pool::pool_settings{}, clock);
    bool called = false;
    conns->put("a", net.dial());
    net[1].on_close = [&] {
        called = true;
        CHECK_FALSE(watched_lock::held);
        conns->put("b", net.dial());
        CHECK_FALSE(conns->try_acquire("a"));
        conns->clear();
    };
    SUBCASE("clear") { conns->clear(); }
    SUBCASE("clear of a key") { conns->clear("a"); }
    SUBCASE("close") { conns->close(); }
    SUBCASE("a smaller capacity") { conns->reconfigure({.max_idle = 0}); }
    SUBCASE("a sweep") {
        clock.advance(10s);
        conns->expire();
    }
    SUBCASE("a sweep, after a look-up that has found it due") {
        clock.advance(10s);
        CHECK_FALSE(conns->try_acquire("a"));
        CHECK_FALSE(called);
        conns->expire();
    }
    SUBCASE("discard") { conns->try_acquire("a").discard(); }
    CHECK(called);
    CHECK(net.open() == 0);
}

EACH_POOL("contract: a put that evicts may be called back by the close of its victim [C8]") {
    fake::network net;
    test_pool<Pools> conns{{.max_idle = Pools::parts}};
    conns.put("a", net.dial());
    net[1].on_close = [&] { conns.put("a", net.dial()); };
    conns.put("a", net.dial());
    CHECK(net.closed() == ids{1, 2});
    CHECK(conns.try_acquire("a")->id() == 3);
}

EACH_POOL("contract: close may call the pool that is being destroyed [C8]") {
    fake::network net;
    auto conns = std::make_unique<test_pool<Pools>>();
    conns->put("a", net.dial());
    net[1].on_close = [&net, pool = conns.get()] { pool->put("a", net.dial()); };
    conns.reset();
    CHECK(net.closed() == ids{1, 2});
}

EACH_POOL("contract: the destructor of a connection may call the pool [C8]") {
    fake::network net;
    pool_of<Pools, std::string, std::shared_ptr<fake::connection>> conns;
    int destroyed = 0;
    const auto destroy = [&](fake::connection* c) {
        CHECK_FALSE(watched_lock::held);
        CHECK_FALSE(conns.try_acquire("a"));
        ++destroyed;
        delete c;
    };
    const auto dial = [&](const std::string&) {
        return std::shared_ptr<fake::connection>{new fake::connection{net.dial()}, destroy};
    };
    SUBCASE("after its close") {
        (void)conns.acquire("a", dial);
        conns.clear();
    }
    SUBCASE("after its discard") { conns.acquire("a", dial).discard(); }
    SUBCASE("by a sweep, when it was found dead") {
        (void)conns.acquire("a", dial);
        net[1].dead = true;
        CHECK_FALSE(conns.try_acquire("a"));
        CHECK(destroyed == 0);
        conns.clear();
    }
    SUBCASE("when it is dead on its return") {
        const auto lent = conns.acquire("a", dial);
        net[1].dead = true;
    }
    CHECK(destroyed == 1);
}
