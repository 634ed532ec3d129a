// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/fake.hpp>
#include <support/latch.hpp>

// The lifetime of a pool's state. The work of the state is tested through the pool and its leases.

using fake::ids;

namespace {

/// A capacity policy that shows whether the state that owns it still exists.
struct traced : pool::unlimited {
    std::shared_ptr<int> trace;
};

/// A pool that can be destroyed before its leases.
struct mortal_pool {
    using pool_type = pool::basic_pool<std::string, fake::connection, traced>;

    bool state_alive() const { return trace.use_count() > 1; }
    auto get(const char* key) { return conns->get(key, net.dialer()); }
    auto acquire(const char* key) { return conns->acquire(key, net.dialer()); }

    fake::network net;
    std::shared_ptr<int> trace = std::make_shared<int>();
    std::unique_ptr<pool_type> conns =
        std::make_unique<pool_type>(traced{{}, trace}, pool::never{}, pool::pool_settings{.name = "peers"});
};

}  // namespace

TEST_CASE_FIXTURE(mortal_pool, "pool_state: without leases it is destroyed with the pool") {
    conns->put("a", net.dial());
    CHECK(state_alive());
    conns.reset();
    CHECK(net.closed() == ids{1});
    CHECK_FALSE(state_alive());
}

TEST_CASE_FIXTURE(
    mortal_pool, "pool_state: the pool's destructor neither waits for leases nor closes their connections [C11]") {
    conns->put("b", net.dial());
    const auto lent = acquire("a");
    conns.reset();
    CHECK(net.closed() == ids{1});
    CHECK(state_alive());
    CHECK(lent->id() == 2);
    CHECK(lent.key() == "a");
}

TEST_CASE_FIXTURE(
    mortal_pool, "pool_state: it is destroyed with the lease that outlived the pool, however that lease ends") {
    auto lent = acquire("a");
    conns.reset();
    SUBCASE("by its scope") {
        lent = {};
        CHECK(net.closed() == ids{1});
    }
    SUBCASE("by give_back") {
        lent.give_back();
        CHECK(net.closed() == ids{1});
    }
    SUBCASE("by discard") {
        lent.discard();
        CHECK(net.closed() == ids{1});
    }
    SUBCASE("by an exception") {
        const auto use = [](auto) { throw std::runtime_error{"reset"}; };
        CHECK_THROWS_AS(use(std::move(lent)), std::runtime_error);
        CHECK(net.closed() == ids{1});
    }
    SUBCASE("by detach") {
        auto mine = lent.detach();
        CHECK_FALSE(mine.closed());
        mine.close();
    }
    SUBCASE("with a connection that is dead") {
        net[1].dead = true;
        lent.give_back();
        CHECK(net.closed() == ids{1});
    }
    SUBCASE("with a close that throws [C13]") {
        net[1].on_close = [] { throw std::runtime_error{"reset"}; };
        lent.give_back();
        CHECK(net.closed() == ids{1});
    }
    CHECK_FALSE(state_alive());
}

TEST_CASE_FIXTURE(mortal_pool, "pool_state: it is destroyed with the last of several leases") {
    auto first = acquire("a");
    auto second = acquire("a");
    auto third = acquire("b");
    conns.reset();
    second.give_back();
    first.detach().close();
    CHECK(state_alive());
    third.discard();
    CHECK_FALSE(state_alive());
    CHECK(net.closed() == ids{2, 1, 3});
}

TEST_CASE_FIXTURE(mortal_pool, "pool_state: a lease may end in another thread, after the pool") {
    auto lent = acquire("a");
    conns.reset();
    std::jthread{[mine = std::move(lent)]() mutable { mine.give_back(); }}.join();
    CHECK(net.closed() == ids{1});
    CHECK_FALSE(state_alive());
}

// Lazy connections and streams

TEST_CASE_FIXTURE(mortal_pool, "pool_state: a lazy connection that outlives the pool refuses calls [C11]") {
    {
        auto peer = get("a");
        peer.invoke([](fake::connection&) {});
        conns.reset();
        CHECK(net.closed() == ids{1});
        CHECK_THROWS_WITH_AS(peer.invoke([](fake::connection&) {}),
            R"(pool "peers": no connection for key "a": the pool is closed (0 idle, 0 lent))", pool::pool_closed);
        CHECK(net.dials() == 1);
        CHECK(state_alive());
    }
    CHECK_FALSE(state_alive());
}

TEST_CASE_FIXTURE(mortal_pool, "pool_state: a call may outlast the pool") {
    auto peer = std::make_optional(get("a"));
    const auto call = [&](const fake::connection& c) {
        conns.reset();
        CHECK(state_alive());
        return c.id();
    };
    CHECK(peer->invoke(call) == 1);
    CHECK(net.closed() == ids{1});
    peer.reset();
    CHECK_FALSE(state_alive());
}

TEST_CASE_FIXTURE(mortal_pool, "pool_state: a dial through a lazy connection may outlast the pool [C11]") {
    std::optional peer{conns->get("a", [&](const std::string&) {
        conns.reset();
        return net.dial();
    })};
    CHECK_THROWS_AS(peer->invoke([](fake::connection&) {}), pool::pool_closed);
    CHECK(net.closed() == ids{1});
    peer.reset();
    CHECK_FALSE(state_alive());
}

TEST_CASE_FIXTURE(mortal_pool, "pool_state: a stream that outlives the pool can be read to its end") {
    auto rows = get("a").open_stream([](fake::connection& c) { return fake::stream{c, 2}; });
    conns.reset();
    CHECK(rows.next() == 1);
    CHECK(state_alive());
    CHECK(rows.next() == 0);
    CHECK(net.closed() == ids{1});
    CHECK_FALSE(state_alive());
}

TEST_CASE_FIXTURE(mortal_pool, "pool_state: a stream that outlives the pool can be dropped half-way") {
    {
        const auto rows = get("a").open_stream([](fake::connection& c) { return fake::stream{c, 2}; });
        conns.reset();
    }
    CHECK(net.closed() == ids{1});
    CHECK_FALSE(state_alive());
}

TEST_CASE_FIXTURE(mortal_pool, "pool_state: it lives until both the lazy connection and the lease are gone") {
    auto peer = std::make_optional(get("a"));
    auto lent = acquire("a");
    conns.reset();
    SUBCASE("the lease") {
        peer.reset();
        CHECK(state_alive());
        lent.give_back();
    }
    SUBCASE("the lazy connection") {
        lent.give_back();
        CHECK(state_alive());
        peer.reset();
    }
    CHECK_FALSE(state_alive());
}

// A close under way

TEST_CASE_FIXTURE(mortal_pool, "pool_state: the close of a connection may destroy the pool [C8]") {
    conns->put("a", net.dial());
    conns->put("a", net.dial());
    conns->put("b", net.dial());
    net[1].on_close = [&] {
        conns.reset();
        CHECK(state_alive());
    };
    SUBCASE("of a few") { CHECK(conns->clear("a") == 2); }
    SUBCASE("of all") { CHECK(conns->clear() == 3); }
    SUBCASE("of one that is discarded") { conns->try_acquire("a").discard(); }
    CHECK(net.open() == 0);
    CHECK_FALSE(state_alive());
}

TEST_CASE_FIXTURE(
    mortal_pool, "pool_state: the pool may be destroyed while another thread closes one of its connections [C9]") {
    conns->put("a", net.dial());
    latch closing{1};
    latch gone{1};
    net[1].on_close = [&] {
        closing.count_down();
        gone.wait();
        CHECK(state_alive());
    };
    auto lent = conns->try_acquire("a");
    std::jthread other{[mine = std::move(lent)]() mutable { mine.discard(); }};
    closing.wait();
    conns.reset();
    CHECK(state_alive());
    gone.count_down();
    other.join();
    CHECK(net.closed() == ids{1});
    CHECK_FALSE(state_alive());
}

TEST_CASE_FIXTURE(mortal_pool, "pool_state: the last close may lend and give back through a lazy connection [C8]") {
    auto peer = std::make_optional(get("a"));
    auto lent = acquire("b");
    conns.reset();
    net[1].on_close = [&] {
        CHECK_THROWS_AS(peer->invoke([](fake::connection&) {}), pool::pool_closed);
        peer.reset();
        CHECK(state_alive());
    };
    lent.give_back();
    CHECK_FALSE(state_alive());
}
