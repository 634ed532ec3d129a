// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/sharded_pool.hpp>

#include <support/fake.hpp>

// How long the state of a pool lives. What it does is tested through the pool and its leases.

using namespace std::chrono_literals;

namespace {

using ids = std::vector<int>;

/// A capacity policy that shows whether the state which owns it is still there.
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

TEST_CASE_FIXTURE(mortal_pool, "pool_state: with nothing lent it goes with the pool") {
    conns->put("a", net.dial());
    CHECK(state_alive());
    conns.reset();
    CHECK(net.closed() == ids{1});
    CHECK_FALSE(state_alive());
}

TEST_CASE_FIXTURE(mortal_pool, "pool_state: a pool that goes does not wait for leases, nor close what is lent [C11]") {
    conns->put("b", net.dial());
    const auto lent = acquire("a");
    conns.reset();
    CHECK(net.closed() == ids{1});
    CHECK(state_alive());
    CHECK(lent->id() == 2);
    CHECK(lent.key() == "a");
}

TEST_CASE_FIXTURE(mortal_pool, "pool_state: it goes with the lease that outlived the pool, however that ends") {
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
        CHECK(net.closed().empty());
    }
    SUBCASE("with a close that throws [C13]") {
        net[1].on_close = [] { throw std::runtime_error{"reset"}; };
        lent.give_back();
        CHECK(net.closed() == ids{1});
    }
    CHECK_FALSE(state_alive());
}

TEST_CASE_FIXTURE(mortal_pool, "pool_state: it goes with the last of several leases") {
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

TEST_CASE_FIXTURE(mortal_pool, "pool_state: it outlives whichever goes last, the lazy connection or the lease") {
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

TEST_CASE_FIXTURE(mortal_pool, "pool_state: the pool may go in the close of one of its connections [C8]") {
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

TEST_CASE_FIXTURE(mortal_pool, "pool_state: the pool may go while another thread closes one of its connections [C9]") {
    conns->put("a", net.dial());
    std::latch closing{1};
    std::latch gone{1};
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

// Large sweeps

namespace {

/// Counts how often it is locked.
struct counted_mutex {
    void lock() noexcept { ++locks; }
    void unlock() noexcept {}
    static inline int locks = 0;
};

int locked_by(const auto& act) {
    const int before = counted_mutex::locks;
    act();
    return counted_mutex::locks - before;
}

}  // namespace

TEST_CASE("pool_state: what has much to do lets others at the lock in between [C10]") {
    constexpr int many = 1'000;
    constexpr int most_at_once = 128;
    fake::network net;
    pool::manual_clock clock;
    pool::basic_pool<int, fake::connection, pool::unlimited, pool::after_idle, counted_mutex, pool::manual_clock> conns{
        {}, 1h, {}, clock};
    const auto put_all = [&] {
        for (int key = 0; key != many; ++key) conns.put(key, net.dial());
    };
    put_all();

    SUBCASE("the search for the next deadline") {
        clock.advance(1s);
        for (int key = 0; key != many; ++key) (void)conns.try_acquire(key);
        CHECK(locked_by([&] { CHECK(conns.next_expiry() == clock.now() + 1h); }) >= many / most_at_once);
        CHECK(locked_by([&] { CHECK(conns.next_expiry() == clock.now() + 1h); }) == 1);
        conns.clear();
    }
    SUBCASE("a sweep of those that are due") {
        clock.advance(1h);
        CHECK(locked_by([&] { CHECK(conns.expire() == many); }) >= 2 * (many / most_at_once));
    }
    SUBCASE("a sweep that has to put deadlines in order") {
        clock.advance(30min);
        for (int key = 0; key != many; ++key) (void)conns.try_acquire(key);
        clock.advance(30min);
        CHECK(locked_by([&] { CHECK(conns.expire() == 0); }) >= many / most_at_once);
        conns.clear();
    }
    SUBCASE("a clear") { CHECK(locked_by([&] { CHECK(conns.clear() == many); }) >= 2 * (many / most_at_once)); }
    SUBCASE("a clear of one key") {
        conns.clear();
        (void)net.closed();
        for (int i = 0; i != many; ++i) conns.put(0, net.dial());
        CHECK(locked_by([&] { CHECK(conns.clear(0) == many); }) >= 2 * (many / most_at_once));
    }
    SUBCASE("a close, which returns the errors of all") {
        for (int id = 1; id <= many; ++id) net[id].on_close = [] { throw std::runtime_error{"refused"}; };
        CHECK(locked_by([&] { CHECK(conns.close().size() == many); }) >= 2 * (many / most_at_once));
        CHECK(conns.stats().failed_closes == many);
    }
    CHECK(net.closed().size() == many);
    CHECK(conns.stats().idle == 0);
    CHECK(conns.stats().closing == 0);
}

TEST_CASE_TEMPLATE("pool_state: the pool may go in a close while there is more to do [C8]", Pool,
    pool::basic_pool<int, fake::connection, pool::unlimited, pool::after_idle, std::mutex, pool::manual_clock>,
    pool::sharded_pool<3, int, fake::connection, pool::unlimited, pool::after_idle, std::mutex, pool::manual_clock>) {
    constexpr int many = 1'000;
    fake::network net;
    pool::manual_clock clock;
    auto conns = std::make_unique<Pool>(pool::unlimited{}, 1h, pool::pool_settings{.name = "peers"}, clock);
    for (int key = 0; key != many; ++key) conns->put(key, net.dial());
    for (int id = 1; id <= many; ++id) net[id].on_close = [&] { conns.reset(); };
    SUBCASE("clear") { conns->clear(); }
    SUBCASE("expire") {
        clock.advance(1h);
        conns->expire();
    }
    SUBCASE("close") { CHECK(conns->close().empty()); }
    SUBCASE("clear of a key") { conns->clear(0); }
    conns.reset();
    CHECK(net.open() == 0);
}

TEST_CASE("pool_state: nothing is lent from the moment that a pool is closed [C11]") {
    constexpr int many = 300;
    fake::network net;
    pool::basic_pool<int, fake::connection> conns;
    for (int i = 0; i != many; ++i) conns.put(1, net.dial());
    net[1].on_close = [&] {
        CHECK(conns.stats().idle > 0);
        CHECK_FALSE(conns.try_acquire(1));
        CHECK_FALSE(conns.take(1));
        CHECK_THROWS_AS((void)conns.acquire(1, net.dialer()), pool::pool_closed);
    };
    CHECK(conns.close().empty());
    CHECK(net.closed().size() == many);
    CHECK(conns.stats().misses == 3);
}

TEST_CASE("pool_state: a clear ends, though each close puts another connection [C8]") {
    constexpr int many = 300;
    fake::network net;
    pool::basic_pool<int, fake::connection> conns;
    net.prepare([&](fake::line& fresh) {
        fresh.on_close = [&] {
            if (net.dials() < 2 * many) conns.put(1, net.dial());
        };
    });
    for (int i = 0; i != many; ++i) conns.put(1, net.dial());
    SUBCASE("of all") { CHECK(conns.clear() == many); }
    SUBCASE("of a key") { CHECK(conns.clear(1) == many); }
    CHECK(net.closed().size() == many);
    CHECK(conns.stats().idle == many);
}

TEST_CASE("pool_state: the key that is cleared may go in a close [C8]") {
    constexpr int many = 300;
    fake::network net;
    pool::basic_pool<std::string, fake::connection> conns;
    auto key = std::make_unique<std::string>("a key that is too long for the buffer of a string");
    for (int i = 0; i != many; ++i) conns.put(*key, net.dial());
    net[1].on_close = [&] { key.reset(); };
    CHECK(conns.clear(*key) == many);
}

TEST_CASE("pool_state: a drain does not end while a close has more to do") {
    constexpr int many = 300;
    fake::network net;
    pool::basic_pool<int, fake::connection, pool::bounded_open> conns;
    for (int i = 0; i != many; ++i) conns.put(1, net.dial());
    for (int id = 1; id <= many; ++id) {
        net[id].on_close = [&, id] {
            const auto left = static_cast<std::size_t>(many - id + 1);  // this one, too
            CHECK(conns.drain(std::chrono::steady_clock::time_point::min()) == left);
        };
    }
    CHECK(conns.close().empty());
    CHECK(conns.drain(std::chrono::steady_clock::time_point::min()) == 0);
}

TEST_CASE_TEMPLATE("pool_state: room can be reserved at any time", Pool, pool::basic_pool<int, fake::connection>,
    pool::sharded_pool<3, int, fake::connection>) {
    fake::network net;
    Pool conns;
    for (int key = 0; key != 10; ++key) {
        conns.reserve(static_cast<std::size_t>(1'000 << key));
        conns.put(key, net.dial());
    }
    CHECK(conns.stats().idle == 10);
    CHECK(conns.clear() == 10);
}
