// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <range/v3/range/conversion.hpp>
#include <range/v3/view/iota.hpp>
#include <range/v3/view/transform.hpp>

#include <pool/basic_pool.hpp>
#include <pool/sharded_pool.hpp>

#include <support/allocations.hpp>
#include <support/fake.hpp>
#include <support/long_keys.hpp>

// A warm pool allocates nothing.

using namespace std::chrono_literals;

using allocations::allocated_by;
using allocations::long_key;
using allocations::long_lived;
using allocations::pool_of;

TEST_CASE("allocations: each operator new counts, and fails when it is its turn") {
    const auto allocate = [](auto... how) {
        ::operator delete(::operator new(1, how...), how...);
        ::operator delete[](::operator new[](1, how...), how...);
    };
    const auto allocate_all = [&] {
        allocate();
        allocate(std::align_val_t{64});
        allocate(std::nothrow);
        allocate(std::align_val_t{64}, std::nothrow);
    };
    CHECK(allocated_by(allocate_all) == 8);

    for (std::uint64_t throwing = 1; throwing <= 4; ++throwing) {
        const allocations::failing nth{throwing};
        CHECK_THROWS_AS(allocate_all(), std::bad_alloc);
        CHECK(nth.happened());
    }
    for (std::uint64_t silent = 5; silent <= 8; ++silent) {
        const allocations::failing nth{silent};
        allocate_all();
        CHECK(nth.happened());
    }
    const allocations::failing ninth{9};
    allocate_all();
    CHECK_FALSE(ninth.happened());
}

namespace {

/// A pool with two idle connections of each key.
template <class Expiry>
struct warm_pool {
    warm_pool(pool::reuse_order reuse, int n)
        : keys{ranges::views::iota(0, n) | ranges::views::transform(long_key) | ranges::to<std::vector>},
          conns{{}, long_lived<Expiry>(), {.reuse = reuse}, clock} {
        for (const std::string_view key : keys) conns.put(key, net.dial());
        for (const std::string_view key : keys) conns.put(key, net.dial());
    }

    fake::network net;
    pool::manual_clock clock;
    const std::vector<std::string> keys;
    pool_of<Expiry> conns;
};

/// Calls `use(warm, key)` for each key of pools of all kinds, while time goes on, and checks that it does not allocate.
template <class Expiry, class Use>
void check_steady(Use use) {
    for (const auto reuse : {pool::reuse_order::oldest_first, pool::reuse_order::newest_first}) {
        for (const int n : {1, 1'000}) {
            CAPTURE(reuse);
            CAPTURE(n);
            warm_pool<Expiry> warm{reuse, n};
            CHECK(allocated_by([&] {
                for (const std::string_view key : warm.keys) {
                    warm.clock.advance(1ms);
                    use(warm, key);
                }
            }) == 0);
            CHECK(warm.conns.stats().hits > 0);
            CHECK(warm.conns.stats().idle == warm.keys.size() * 2);
        }
    }
}

}  // namespace

TEST_CASE_TEMPLATE(
    "allocations: a steady acquire and give-back allocates nothing", Expiry, pool::never, pool::after_idle) {
    check_steady<Expiry>([](auto& warm, std::string_view key) {
        const auto first = warm.conns.acquire(key, warm.net.dialer());
        const auto second = warm.conns.acquire(key, warm.net.dialer());
    });
}

TEST_CASE_TEMPLATE(
    "allocations: a steady acquire in a pool that bounds what is open allocates nothing, while nobody waits", Expiry,
    pool::never, pool::after_idle) {
    fake::network net;
    pool::basic_pool<std::string, fake::connection, pool::bounded_open, Expiry> conns{
        pool::bounded_open{.max_open = 3, .max_open_per_key = 2}, long_lived<Expiry>()};
    const std::string key = long_key(1);
    for (int i = 0; i < 2; ++i) conns.put(key, net.dial());
    CHECK(allocated_by([&] {
        const auto first = conns.acquire(key, net.dialer(), std::chrono::steady_clock::now() + 1h);
        const auto second = conns.acquire(key, net.dialer());
        const auto none = conns.try_acquire(key);
    }) == 0);
    CHECK(conns.stats().hits == 2);
}

TEST_CASE_TEMPLATE(
    "allocations: an acquire that has to wait for its turn allocates nothing", Lock, std::mutex, pool::adaptive_mutex) {
    fake::network net;
    pool::basic_pool<std::string, fake::connection, pool::bounded_open, pool::after_idle, Lock> conns{
        pool::bounded_open{.max_open = 1}, 1h};
    const std::string key = long_key(1);
    conns.put(key, net.dial());

    std::uint64_t allocated_by_waiting = 0;
    const auto take_turns = [&](int times) {
        for (int i = 0; i != times; ++i) {
            auto lent = conns.acquire(key, net.dialer());
            std::uint64_t by_other = 0;
            std::jthread other{[&] { by_other = allocated_by([&] { (void)conns.acquire(key, net.dialer()); }); }};
            while (conns.stats().waiting == 0) std::this_thread::yield();
            const std::uint64_t by_this = allocated_by([&] { lent.give_back(); });
            other.join();
            allocated_by_waiting += by_this + by_other;
        }
    };
    take_turns(1);  // the first one makes the records of the waiting threads
    allocated_by_waiting = 0;
    take_turns(3);
    CHECK(allocated_by_waiting == 0);
    CHECK(conns.stats().dials == 0);
}

TEST_CASE_TEMPLATE(
    "allocations: a steady acquire in any shard allocates nothing", Expiry, pool::never, pool::after_idle) {
    fake::network net;
    pool::sharded_pool<4, std::string, fake::connection, pool::unlimited, Expiry> conns{{}, long_lived<Expiry>()};
    constexpr int many = 100;
    const auto keys = ranges::views::iota(0, many) | ranges::views::transform(long_key) | ranges::to<std::vector>;
    for (const std::string_view key : keys) conns.put(key, net.dial());
    CHECK(allocated_by([&] {
        for (const std::string_view key : keys) {
            const auto lent = conns.acquire(key, net.dialer());
            const auto none = conns.try_acquire(key);
            (void)conns.stats();
        }
    }) == 0);
    CHECK(conns.stats().hits == many);
}

TEST_CASE_TEMPLATE(
    "allocations: a steady try_acquire allocates nothing, found or not", Expiry, pool::never, pool::after_idle) {
    check_steady<Expiry>([](auto& warm, std::string_view key) {
        const auto first = warm.conns.try_acquire(key);
        const auto second = warm.conns.try_acquire(key);
        const auto none = warm.conns.try_acquire(key);
    });
}

TEST_CASE("allocations: a sweep that finds all in time allocates nothing") {
    check_steady<pool::after_idle>([](auto& warm, std::string_view key) {
        (void)warm.conns.try_acquire(key);
        warm.conns.expire();
        (void)warm.conns.next_expiry();
    });
}

TEST_CASE_TEMPLATE(
    "allocations: a steady call through a lazy connection allocates nothing", Expiry, pool::never, pool::after_idle) {
    for (const auto reuse : {pool::reuse_order::oldest_first, pool::reuse_order::newest_first}) {
        warm_pool<Expiry> warm{reuse, 1};
        auto peer = warm.conns.get(warm.keys.front(), warm.net.dialer());
        int id = 0;
        CHECK(allocated_by([&] { id = peer.invoke([](const fake::connection& c) { return c.id(); }); }) == 0);
        CHECK(id == (reuse == pool::reuse_order::oldest_first ? 1 : 2));
    }
}

TEST_CASE_TEMPLATE("allocations: once there is room in the index, each new key takes its two records and no more", Pool,
    pool::basic_pool<int, fake::connection>, pool::basic_pool<int, fake::connection, pool::unlimited, pool::after_idle>,
    pool::sharded_pool<4, int, fake::connection>) {
    fake::network net;
    Pool conns;
    constexpr int count = 1'000;
    std::vector<fake::connection> fresh;
    for (int i = 0; i != count; ++i) fresh.push_back(net.dial());
    const auto put_all = [&] {
        for (int i = 0; i != count; ++i) conns.put(i, std::move(fresh[static_cast<std::size_t>(i)]));
    };

    SUBCASE("reserved") {
        conns.reserve(count);
        CHECK(allocated_by(put_all) == 2 * count);
    }
    SUBCASE("not reserved") { CHECK(allocated_by(put_all) > 2 * count); }
}

TEST_CASE_TEMPLATE(
    "allocations: a new connection takes the memory of one that is gone", Expiry, pool::never, pool::after_idle) {
    struct silent_connection {
        static void close() noexcept {}
        static bool closed() noexcept { return false; }
        static bool unblocked() noexcept { return true; }
    };
    pool::basic_pool<int, silent_connection, pool::bounded, Expiry> conns{{.max_idle = 2}, long_lived<Expiry>()};
    const auto acquire = [&](int key) { (void)conns.acquire(key, [](int) { return silent_connection{}; }); };
    for (int key = 0; key != 4; ++key) acquire(key);
    CHECK(allocated_by([&] {
        for (int key = 4; key != 100; ++key) acquire(key);
    }) == 0);
    CHECK(conns.stats().evicted == 98);
}
