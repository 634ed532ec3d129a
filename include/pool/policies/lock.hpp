// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <condition_variable>
#include <mutex>  // std::mutex is the default model

#include <pool/core/adaptive_mutex.hpp>
#include <pool/core/condition_variable_for.hpp>

/// @file
/// The lock that guards a pool. Any BasicLockable whose functions do not throw will do. The pool holds it for one short
/// step at a time, never recursively, and never while it closes or dials.

namespace pool {

/// A model of LockPolicy is default-constructible and has `lock()` and `unlock()`, which must not throw. The last owner
/// may destroy the lock after its `unlock()`, even if the `unlock()` of the owner before it has not yet returned in
/// another thread. POSIX requires this of its mutexes, and `std::mutex` is one on a POSIX system.
template <class Lock>
concept lock_policy = std::default_initializable<Lock> && requires(Lock& lock) {
    lock.lock();
    lock.unlock();
};

/// No lock, for a pool that only one thread uses. It takes no space.
struct null_mutex {
    static constexpr void lock() noexcept {}                    ///< does nothing
    static constexpr void unlock() noexcept {}                  ///< does nothing
    static constexpr bool try_lock() noexcept { return true; }  ///< nobody else has it
};

/// A lock for short steps on several cores. A thread that finds it locked first looks again several times. It goes to
/// sleep only after 5 to 20 microseconds, which is about what sleeping and waking cost. No thread starves. Has the size
/// of an `unsigned`. `std::mutex` is as fast if there are more threads than cores, and each keeps a connection for
/// long.
using adaptive_mutex = core::basic_adaptive_mutex<>;

/// Adapts a lock type. Its members are optional.
/// - `condition_variable`: the type that threads wait with. It is used like `std::condition_variable`, with a
///   `std::unique_lock<Lock>`. Only a thread that holds the lock notifies it. Without this type, no thread can wait.
/// - `stop_callback<F>`: what a thread that waits registers with its `std::stop_token`. It is made and destroyed like
///   `std::stop_callback<F>`, which is used without it.
/// - `static bool held(const Lock&) noexcept` says whether the calling thread holds the lock. With it, a pool asserts
///   (unless `NDEBUG` is defined) that it never touches its connections without the lock.
template <class Lock>
struct lock_traits {
    using condition_variable = core::condition_variable_for<Lock>;  ///< works with any lock
};

/// The standard's own condition variable.
template <>
struct lock_traits<std::mutex> {
    using condition_variable = std::condition_variable;  ///< the one that works only with `std::mutex`
};

/// A `null_mutex` has no condition variable, because no other thread could wake the one that waits.
template <>
struct lock_traits<null_mutex> {};

/// A lock that threads can wait with.
template <class Lock>
concept waiting_lock = requires { typename lock_traits<Lock>::condition_variable; };

}  // namespace pool
