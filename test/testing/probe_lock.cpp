// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <concepts>
#include <cstddef>
#include <mutex>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/policies/lock.hpp>
#include <pool/sharded_pool.hpp>
#include <pool/testing/fake_connection.hpp>
#include <pool/testing/fake_dialer.hpp>
#include <pool/testing/probe_lock.hpp>

// A lock that knows who holds it, and for how long. What it refuses is in test/testing/misuse.cpp.

using namespace std::chrono_literals;
using namespace pool::testing;

static_assert(pool::lock_policy<probe_lock>);
static_assert(pool::waiting_lock<basic_probe_lock<pool::adaptive_mutex>>);

TEST_CASE_TEMPLATE(
    "probe_lock: knows which thread holds it", Lock, probe_lock, basic_probe_lock<pool::adaptive_mutex>) {
    Lock lock;
    Lock other;
    CHECK_FALSE(lock.is_mine());
    CHECK_FALSE(Lock::any_is_mine());
    {
        const std::scoped_lock guard{lock};
        CHECK(lock.is_mine());
        CHECK_FALSE(other.is_mine());
        CHECK(pool::lock_traits<Lock>::held(lock));
        CHECK(Lock::any_is_mine());
        std::jthread{[&] {
            CHECK_FALSE(lock.is_mine());
            CHECK_FALSE(Lock::any_is_mine());
        }}.join();
        const std::scoped_lock second{other};
        CHECK(other.is_mine());
    }
    CHECK_FALSE(lock.is_mine());
    CHECK_FALSE(Lock::any_is_mine());
}

TEST_CASE("probe_lock: is taken by try_lock, if it is free") {
    probe_lock lock;
    probe_lock other;
    {
        const std::scoped_lock both{lock, other};
        CHECK(lock.is_mine());
        CHECK(other.is_mine());
        std::jthread{[&] {
            CHECK_FALSE(lock.try_lock());
            CHECK_FALSE(probe_lock::any_is_mine());
        }}.join();
    }
    CHECK(lock.try_lock());
    CHECK(lock.is_mine());
    CHECK(lock.use().times == 1);
    lock.unlock();
}

TEST_CASE("probe_lock: counts how often it is held, and for how many steps at most") {
    probe_lock lock;
    const auto hold = [&](int steps) {
        const std::scoped_lock guard{lock};
        for (int i = 0; i != steps; ++i) step();
    };
    const lock_use all = lock_use_of([&] {
        hold(2);
        step();
        const lock_use inner = lock_use_of([&] { hold(5); });
        CHECK(inner.times == 1);
        CHECK(inner.longest == 5);
        hold(0);
    });
    CHECK(all.times == 3);
    CHECK(all.longest == 5);
    std::jthread{[&] { hold(7); }}.join();
    const std::scoped_lock guard{lock};
    CHECK(lock.use().times == 4);
    CHECK(lock.use().longest == 7);
}

TEST_CASE("probe_lock: a thread that waits with it does not hold it") {
    probe_lock lock;
    pool::lock_traits<probe_lock>::condition_variable changed;
    bool is_ready = false;
    std::jthread waits{[&] {
        std::unique_lock guard{lock};
        step();
        while (!is_ready) {
            changed.wait(guard);
            CHECK(lock.is_mine());
        }
        changed.wait_for(guard, 0ns);
        CHECK(lock.is_mine());
        CHECK(probe_lock::any_is_mine());
    }};
    {
        const std::scoped_lock guard{lock};
        CHECK(lock.use().longest <= 1);
        is_ready = true;
        changed.notify_one();
    }
    waits.join();
    const std::scoped_lock guard{lock};
    CHECK(lock.use().times >= 3);
}

namespace {

template <class Lock>
using pool_on = pool::basic_pool<std::string, fake_connection, pool::bounded, pool::never, Lock>;

}  // namespace

TEST_CASE("probe_lock: shows for how many questions a pool holds its lock [C10]") {
    constexpr int many = 300;
    constexpr std::size_t batch = 128;
    fake_dialer dials;
    pool_on<probe_lock> conns;
    for (int i = 0; i != many; ++i) conns.put("a", dials());
    for (int i = 1; i <= many; ++i) dials[i].dead = true;
    const lock_use use = lock_use_of([&] { CHECK_FALSE(conns.try_acquire("a")); });
    CHECK(use.times == many / batch + 1);
    CHECK(use.longest == batch);
}

TEST_CASE_TEMPLATE("probe_lock: a pool works with it", Pool, pool_on<probe_lock>,
    pool_on<basic_probe_lock<pool::adaptive_mutex>>,
    pool::basic_pool<std::string, fake_connection, pool::bounded_open, pool::after_idle, probe_lock>,
    pool::sharded_pool<2, std::string, fake_connection, pool::bounded, pool::never, probe_lock>) {
    fake_dialer dials;
    Pool conns;
    (void)conns.acquire("a", dials);
    conns.acquire("a", dials)->use();
    conns.put("b", dials());
    CHECK(conns.clear() == 2);
    CHECK(dials.open() == 0);
}
