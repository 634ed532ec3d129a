// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <support/contract_pools.hpp>
#include <support/fake.hpp>

using namespace std::chrono_literals;

using contract::test_pool;
using fake::ids;

// C11 close()

TEST_CASE("contract: close() closes the idle connections, the oldest first [C11]") {
    fake::network net;
    test_pool<> conns;
    for (const auto* key : {"a", "b", "a"}) conns.put(key, net.dial());
    CHECK(conns.close().empty());
    CHECK(net.closed() == ids{1, 2, 3});
}

EACH_POOL("contract: close() returns the errors [C11]") {
    fake::network net;
    test_pool<Pools> conns{{}, {}, {.name = "peers"}};
    for (int i = 0; i < 3; ++i) conns.put("a", net.dial());
    net[1].on_close = [] { throw std::runtime_error{"reset"}; };
    net[3].on_close = [] { throw std::runtime_error{"timed out"}; };
    CHECK(std::string{conns.close().what()} == R"(pool "peers": 2 failed to close: reset; timed out)");
    CHECK(net.closed() == ids{1, 2, 3});
}

EACH_POOL("contract: a closed pool closes each connection that comes back [C11]") {
    fake::network net;
    test_pool<Pools> conns;
    auto lent = conns.acquire("a", net.dialer());
    conns.close();
    SUBCASE("by give_back") { lent.give_back(); }
    SUBCASE("by put") {
        conns.put("b", lent.detach());
        CHECK(conns.stats().refused == 1);
    }
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats().idle == 0);
}

EACH_POOL("contract: a closed pool lends nothing [C11]") {
    fake::network net;
    test_pool<Pools> conns;
    conns.close();
    CHECK_THROWS_AS((void)conns.acquire("a", net.dialer()), pool::pool_closed);
    CHECK_FALSE(conns.try_acquire("a"));
    CHECK_FALSE(conns.take("a"));
    CHECK(net.dials() == 0);
}

EACH_POOL("contract: a pool that is closed during a dial does not lend the new connection [C11]") {
    fake::network net;
    test_pool<Pools> conns;
    const auto dial = [&](const std::string&) {
        conns.close();
        return net.dial();
    };
    CHECK_THROWS_AS((void)conns.acquire("a", dial), pool::pool_closed);
    CHECK(net.closed() == ids{1});
}

EACH_POOL("contract: a second close() does nothing [C11]") {
    fake::network net;
    test_pool<Pools> conns;
    conns.put("a", net.dial());
    net[1].on_close = [] { throw std::runtime_error{"reset"}; };
    CHECK(conns.close().size() == 1);
    CHECK(conns.close().empty());
    CHECK(net.closed() == ids{1});
}

EACH_POOL("contract: close() does not wait for leases [C11]") {
    fake::network net;
    test_pool<Pools> conns;
    const auto lent = conns.acquire("a", net.dialer());
    conns.close();
    CHECK_FALSE(lent->closed());
    CHECK(conns.stats().lent == 1);
}

// C13 An error of one close is recorded and never stops the others; it never escapes a destructor.

TEST_CASE("contract: a close that throws is counted and stops nothing [C13]") {
    fake::network net;
    net.prepare([](fake::line& each) { each.on_close = [] { throw std::runtime_error{"reset"}; }; });
    pool::manual_clock clock;
    test_pool<> conns{{.max_idle = 3}, 10s, {}, clock};
    for (int i = 0; i < 3; ++i) conns.put("a", net.dial());

    SUBCASE("clear") { CHECK(conns.clear() == 3); }
    SUBCASE("clear of a key") { CHECK(conns.clear("a") == 3); }
    SUBCASE("close") { CHECK(conns.close().size() == 3); }
    SUBCASE("a smaller capacity") { CHECK(conns.reconfigure({.max_idle = 0}) == 3); }
    SUBCASE("a sweep") {
        clock.advance(10s);
        CHECK(conns.expire() == 3);
    }
    SUBCASE("a sweep, after a look-up that has found them due") {
        clock.advance(10s);
        CHECK_FALSE(conns.try_acquire("a"));
        CHECK(conns.stats().failed_closes == 0);
        CHECK(conns.expire() == 0);
    }
    SUBCASE("close, after such a look-up") {
        clock.advance(10s);
        CHECK_FALSE(conns.try_acquire("a"));
        CHECK(conns.close().size() == 3);
    }
    SUBCASE("eviction") {
        net.prepare([](fake::line&) {});
        for (int i = 0; i < 3; ++i) conns.put("b", net.dial());
    }
    SUBCASE("discard") {
        for (int i = 0; i < 3; ++i) conns.try_acquire("a").discard();
    }
    CHECK(net.closed() == ids{1, 2, 3});
    CHECK(conns.stats().failed_closes == 3);
    CHECK(conns.stats().closing == 0);
}

EACH_POOL("contract: a look-up leaves its closes to whoever ends a connection, or sweeps [C6]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 10s, {}, clock};
    for (int i = 0; i < 3; ++i) conns.put("a", net.dial());
    clock.advance(10s);
    auto lent = conns.acquire("a", net.dialer());
    auto other = conns.acquire("a", net.dialer());
    CHECK(net.closed().empty());
    CHECK(conns.stats().closing == 3);
    SUBCASE("a give-back makes one of them") {
        lent.give_back();
        CHECK(net.closed() == ids{1});
    }
    SUBCASE("a discard makes one of them, and as many as it has caused") {
        lent.discard();
        CHECK(net.closed() == ids{1, 2});
        other.discard();
        CHECK(net.closed() == ids{3, 4});
        CHECK(conns.stats().closing == 1);
    }
    SUBCASE("a put makes one of them") {
        conns.put("a", net.dial());
        CHECK(net.closed() == ids{1});
    }
    SUBCASE("new bounds make all") {
        conns.reconfigure({});
        CHECK(net.closed() == ids{1, 2, 3});
    }
    SUBCASE("a sweep makes all") {
        conns.expire();
        CHECK(net.closed() == ids{1, 2, 3});
    }
    SUBCASE("a clear of one key makes all") {
        conns.clear("a");
        CHECK(net.closed() == ids{1, 2, 3});
    }
    SUBCASE("the end of the pool makes all") {
        conns.close();
        CHECK(net.closed() == ids{1, 2, 3});
    }
}

EACH_POOL("contract: a close that throws does not escape the pool's destructor [C13]") {
    fake::network net;
    {
        test_pool<Pools> conns;
        for (int i = 0; i < 3; ++i) conns.put("a", net.dial());
        for (int id = 1; id <= 3; ++id) net[id].on_close = [] { throw std::runtime_error{"reset"}; };
    }
    CHECK(net.closed() == ids{1, 2, 3});
}

EACH_POOL("contract: a close that throws does not escape the destructor of a lease [C13]") {
    fake::network net;
    test_pool<Pools> conns{{.max_idle = 0}};
    {
        const auto lent = conns.acquire("a", net.dialer());
        net[1].on_close = [] { throw std::runtime_error{"reset"}; };
    }
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats().failed_closes == 1);
}
