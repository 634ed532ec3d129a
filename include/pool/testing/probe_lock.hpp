// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <mutex>

#include <pool/policies/lock.hpp>
#include <pool/testing/held_locks.hpp>
#include <pool/testing/scheduler.hpp>

/// @file
/// A lock that knows which thread holds it. A pool with it asserts that it never uses its connections without the lock.
/// The fakes assert that nothing of theirs that may block runs under it.

namespace pool::testing {

namespace kernel {
template <class Lock>
concept can_try_lock = requires(Lock& lock) {
    { lock.try_lock() } -> std::same_as<bool>;
};
}  // namespace kernel

template <waiting_lock Lock>
class probed_condition_variable;

/// A lock around `Lock`. To lock it twice in one thread, to unlock what another thread holds, or to destroy it while a
/// thread holds it, is reported as a mistake. `Lock` may be any lock that threads can wait with.
template <waiting_lock Lock>
class basic_probe_lock {
public:
    basic_probe_lock() = default;
    basic_probe_lock(const basic_probe_lock&) = delete;
    basic_probe_lock& operator=(const basic_probe_lock&) = delete;
    ~basic_probe_lock() {
        const held_locks* const holder = holder_.load(std::memory_order_relaxed);
        if (is_mine()) misused("a lock is destroyed by the thread that holds it");
        if (holder != nullptr) misused("a lock is destroyed while another thread holds it");
    }

    /// Locks it. It must not be this thread's already.
    void lock() {
        if (is_mine()) misused("a lock is locked twice by one thread");
        lock_.lock();
        begin_hold();
    }

    /// Locks it, if it is free. Returns whether it was. It must not be this thread's already.
    bool try_lock()
        requires kernel::can_try_lock<Lock>
    {
        if (is_mine()) misused("a thread tries to lock what it holds already");
        if (!lock_.try_lock()) return false;
        begin_hold();
        return true;
    }

    /// Unlocks it. It must be this thread's.
    void unlock() {
        if (!is_mine()) misused("a lock is unlocked by a thread that does not hold it");
        end_hold();
        lock_.unlock();
    }

    /// Whether the calling thread holds it.
    bool is_mine() const noexcept { return holder_.load(std::memory_order_relaxed) == &held_by_this_thread(); }

    /// Whether the calling thread holds any probe lock.
    static bool any_is_mine() noexcept { return held_by_this_thread().count != 0; }

    /// What all threads have done with it. Only its holder may ask.
    lock_use use() const noexcept { return use_; }

private:
    friend probed_condition_variable<Lock>;

    void begin_hold() noexcept {
        held_locks& mine = held_by_this_thread();
        ++mine.count;
        began_ = mine.steps;
        holder_.store(&mine, std::memory_order_relaxed);
    }
    void end_hold() noexcept {
        held_locks& mine = held_by_this_thread();
        holder_.store(nullptr, std::memory_order_relaxed);
        const std::uint64_t steps = mine.steps - began_;
        use_.add(steps);
        mine.use.add(steps);
        --mine.count;
    }

    Lock lock_;
    /// Another thread's may be read at any time, but never one's own by mistake.
    std::atomic<const held_locks*> holder_{nullptr};
    std::uint64_t began_ = 0;  ///< the holder's steps when it locked
    lock_use use_;
};

/// A probe around a mutex.
using probe_lock = basic_probe_lock<std::mutex>;

/// What threads wait with that hold a probe lock: the condition variable of the lock in it.
template <waiting_lock Lock>
class probed_condition_variable {
public:
    /// Unlocks `guard`, waits until notified, and locks it again; may return early.
    void wait(std::unique_lock<basic_probe_lock<Lock>>& guard) {
        wait(*guard.mutex(), [this](std::unique_lock<Lock>& own) { woken_.wait(own); });
    }
    /// The same, for no longer than `time`.
    template <class Duration>
    void wait_for(std::unique_lock<basic_probe_lock<Lock>>& guard, Duration time) {
        wait(*guard.mutex(), [&](std::unique_lock<Lock>& own) { woken_.wait_for(own, time); });
    }
    /// Wakes one waiting thread.
    void notify_one() noexcept { woken_.notify_one(); }

private:
    template <class Wait>
    static void wait(basic_probe_lock<Lock>& probe, const Wait& wait) {
        if (!probe.is_mine()) misused("a thread waits with a lock that it does not hold");
        probe.end_hold();
        std::unique_lock<Lock> own{probe.lock_, std::adopt_lock};
        wait(own);
        own.release();
        probe.begin_hold();
    }

    typename lock_traits<Lock>::condition_variable woken_;
};

}  // namespace pool::testing

/// Says whether it is held.
template <class Lock>
struct pool::lock_traits<pool::testing::basic_probe_lock<Lock>> {
    using condition_variable = testing::probed_condition_variable<Lock>;  ///< that of the lock in it
    /// Whether the calling thread holds it.
    static bool held(const testing::basic_probe_lock<Lock>& lock) noexcept { return lock.is_mine(); }
};
