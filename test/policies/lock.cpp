// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/policies/lock.hpp>

#include <support/fake.hpp>
#include <support/latch.hpp>

namespace {

/// Has only what a lock must have.
class spin_lock {
public:
    void lock() noexcept {
        while (taken_.test_and_set()) taken_.wait(true);
    }
    void unlock() noexcept {
        taken_.clear();
        taken_.notify_one();
    }

private:
    std::atomic_flag taken_;
};

}  // namespace

TEST_CASE("null_mutex: it has no state, and never waits") {
    pool::null_mutex mutex;
    const std::lock_guard guard{mutex};
    const std::lock_guard again{mutex};
    CHECK(std::is_empty_v<pool::null_mutex>);
}

TEST_CASE("adaptive_mutex: it is taken once, and free again after its unlock") {
    pool::adaptive_mutex mutex;
    CHECK(mutex.try_lock());
    CHECK_FALSE(mutex.try_lock());
    mutex.unlock();
    CHECK(mutex.try_lock());
    mutex.unlock();
    CHECK(sizeof mutex == sizeof(unsigned));
}

TEST_CASE("adaptive_mutex: one thread at a time has it") {
    pool::adaptive_mutex mutex;
    constexpr int threads = 4;
    constexpr int turns = 5'000;
    int inside = 0;
    int most = 0;
    int sum = 0;
    {
        std::vector<std::jthread> all;
        for (int i = 0; i != threads; ++i) {
            all.emplace_back([&] {
                for (int n = 0; n != turns; ++n) {
                    const std::lock_guard guard{mutex};
                    most = std::max(most, ++inside);
                    // Now and then it holds the lock so long that the other threads fall asleep.
                    if (n % 100 == 0) std::this_thread::yield();
                    ++sum;
                    --inside;
                }
            });
        }
    }
    CHECK(most == 1);
    CHECK(sum == threads * turns);
}

TEST_CASE("adaptive_mutex: all who sleep are woken, one after the other") {
    pool::adaptive_mutex mutex;
    for (int round = 0; round != 50; ++round) {
        latch taken{1};
        std::jthread holder{[&] {
            const std::lock_guard guard{mutex};
            taken.count_down();
            for (int n = 0; n != 500; ++n) std::this_thread::yield();  // the other threads are asleep by then
        }};
        taken.wait();
        std::vector<std::jthread> waiting;
        for (int i = 0; i != 3; ++i) waiting.emplace_back([&] { const std::lock_guard guard{mutex}; });
    }
    CHECK(mutex.try_lock());
    mutex.unlock();
}

TEST_CASE("adaptive_mutex: threads that hold it nearly all the time do not starve another") {
    pool::adaptive_mutex mutex;
    std::atomic<bool> done{false};
    const auto grab = [&] {
        while (!done) {
            const std::lock_guard guard{mutex};
            for (int n = 0; n != 1000; ++n) done.load();
        }
    };
    std::vector<std::jthread> greedy;
    for (int i = 0; i != 4; ++i) greedy.emplace_back(grab);
    for (int turn = 0; turn != 100; ++turn) const std::lock_guard guard{mutex};  // if it starves, the test never ends
    done = true;
}

TEST_CASE_TEMPLATE("lock_policy: a pool runs on any lock that has lock and unlock", Lock, pool::null_mutex,
    pool::adaptive_mutex, spin_lock, std::mutex, std::recursive_mutex, std::shared_mutex) {
    static_assert(pool::lock_policy<Lock>);
    fake::network net;
    pool::basic_pool<std::string, fake::connection, pool::unlimited, pool::never, Lock> pool;
    pool.put("a", net.dial());
    CHECK(pool.acquire("a", net.dialer())->id() == 1);
    CHECK(pool.stats("a").idle == 1);
}
