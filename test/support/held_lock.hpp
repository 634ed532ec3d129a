// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include <pool/policies/lock.hpp>

/// @file
/// A lock that knows which thread holds it. A pool with it asserts that it never uses its connections without the lock.

/// A mutex. To lock it twice, or to unlock what another thread holds, ends the program.
class held_lock {
public:
    void lock() {
        if (is_mine()) misuse("locked twice by one thread");
        mutex_.lock();
        ++held_by_this_thread();
        holder_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    }
    void unlock() {
        if (!is_mine()) misuse("unlocked by a thread that does not hold it");
        holder_.store(std::thread::id{}, std::memory_order_relaxed);
        --held_by_this_thread();
        mutex_.unlock();
    }

    /// Whether the calling thread holds it. Another thread's id may be read at any time, but never one's own by
    /// mistake.
    bool is_mine() const noexcept { return holder_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

    /// Whether the calling thread holds any lock of this type.
    static bool any_is_mine() noexcept { return held_by_this_thread() != 0; }

private:
    static int& held_by_this_thread() noexcept {
        static thread_local int count = 0;
        return count;
    }

    [[noreturn]] static void misuse(const char* what) {
        std::fprintf(stderr, "lock: %s\n", what);
        std::abort();
    }

    std::mutex mutex_;
    std::atomic<std::thread::id> holder_;
};

template <>
struct pool::lock_traits<held_lock> {
    using condition_variable = pool::core::condition_variable_for<held_lock>;
    static bool held(const held_lock& lock) noexcept { return lock.is_mine(); }
};
