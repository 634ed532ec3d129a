// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <condition_variable>
#include <mutex>  // std::mutex is the default model

/// @file
/// What guards a pool. Any BasicLockable will do; the pool holds it for one short step at a time, never recursively,
/// and never while it closes or dials.

namespace pool {

/// A model of LockPolicy: default-constructible, with `lock()` and `unlock()`, which must not throw. The thread that has
/// acquired it last may destroy it once it has unlocked it, even while an earlier `unlock()` is still returning in another
/// thread: POSIX asks that of its mutexes, and so `std::mutex` has it.
template <class Lock>
concept lock_policy = std::default_initializable<Lock> && requires(Lock& lock) {
    lock.lock();
    lock.unlock();
};

/// No lock: for a pool that one thread uses. Takes no space.
struct null_mutex {
    static constexpr void lock() noexcept {}    ///< does nothing
    static constexpr void unlock() noexcept {}  ///< does nothing
};

/// What threads wait with that hold a `Lock`. The member `condition_variable` is used like `std::condition_variable`, with
/// a `std::unique_lock<Lock>`. Without one, no thread can wait.
template <class Lock>
struct lock_traits {
    using condition_variable = std::condition_variable_any;  ///< works with any lock
};

/// The one that is made for it.
template <>
struct lock_traits<std::mutex> {
    using condition_variable = std::condition_variable;  ///< made for it
};

/// Nobody could wake the only thread there is.
template <>
struct lock_traits<null_mutex> {};

/// A lock that threads can wait with.
template <class Lock>
concept waiting_lock = requires { typename lock_traits<Lock>::condition_variable; };

}  // namespace pool
