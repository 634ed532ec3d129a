// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
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

}  // namespace pool
