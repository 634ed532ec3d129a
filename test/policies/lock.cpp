// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <type_traits>

#include <doctest/doctest.h>

#include <pool/core/basic_pool.hpp>
#include <pool/policies/lock.hpp>

#include <support/fake.hpp>

namespace {

/// Has only what is asked of a lock.
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

TEST_CASE_TEMPLATE("lock_policy: a pool runs on any lock that has lock and unlock", Lock, pool::null_mutex, spin_lock,
    std::mutex, std::recursive_mutex, std::shared_mutex) {
    static_assert(pool::lock_policy<Lock>);
    fake::network net;
    pool::basic_pool<std::string, fake::connection, pool::unlimited, pool::never, Lock> pool;
    pool.put("a", net.dial());
    CHECK(pool.acquire("a", net.dialer())->id() == 1);
    CHECK(pool.stats("a").idle == 1);
}
