// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/sharded_pool.hpp>

#include <support/fake.hpp>

// Calls that concern many connections work in steps. Between two steps other calls may change the pool, or destroy it.

using namespace std::chrono_literals;

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

TEST_CASE("pool_state: a long call lets others take the lock in between [C10]") {
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
    SUBCASE("a clear") {
        CHECK(locked_by([&] { CHECK(conns.clear() == many); }) >= 2 * (many / most_at_once));
    }
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

TEST_CASE_TEMPLATE("pool_state: a close may destroy the pool while there is more to do [C8]", Pool,
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

TEST_CASE("pool_state: a close may destroy the key that is being cleared [C8]") {
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

TEST_CASE_TEMPLATE("pool_state: new bounds evict all that exceed them, however many these are [C2]", Capacity,
    pool::bounded, pool::bounded_open) {
    constexpr int many = 1'000;
    fake::network net;
    pool::basic_pool<int, fake::connection, Capacity> conns;
    const auto put_all = [&](int keys) {
        for (int i = 0; i != many; ++i) conns.put(i % keys, net.dial());
    };
    SUBCASE("none of a key") {
        put_all(1);
        CHECK(conns.reconfigure({.max_idle_per_key = 0}) == many);
    }
    SUBCASE("one of each key") {
        put_all(many / 2);
        CHECK(conns.reconfigure({.max_idle_per_key = 1}) == many / 2);
    }
    SUBCASE("one in all") {
        put_all(many / 2);
        CHECK(conns.reconfigure({.max_idle = 1}) == many - 1);
    }
    CHECK(conns.stats().closing == 0);
    CHECK(net.open() == static_cast<int>(conns.stats().idle));
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
