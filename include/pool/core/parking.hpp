// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <type_traits>

#include <pool/core/saturating.hpp>
#include <pool/policies/clock.hpp>
#include <pool/policies/lock.hpp>

/// @file
/// How a thread waits: for something that happens under a lock, or for a point in time.

namespace pool::core {

/// How long a thread may wait for `until`: not longer than that, and for an hour at most, because the arithmetic of
/// condition variables overflows near `time_point::max()`.
template <clock_policy Clock>
typename Clock::duration bounded_wait(const Clock& clock, typename Clock::time_point until) {
    constexpr auto longest = saturating_cast<typename Clock::duration>(std::chrono::hours{1});
    const auto now = clock.now();
    if (until <= now) return Clock::duration::zero();
    return until < saturating_add(now, longest) ? until - now : longest;
}

/// Blocks until the time of `clock` is `until` or later, or a stop is requested. It may return early, so check the time
/// again. A clock may have a better function of this name, so call it unqualified.
template <clock_policy Clock>
void sleep_until(const Clock& clock, typename Clock::time_point until, const std::stop_token& stop) {
    const auto remaining = bounded_wait(clock, until);
    if (remaining <= remaining.zero()) return;

    std::mutex mutex;
    std::condition_variable_any woken;
    std::unique_lock guard{mutex};
    woken.wait_for(guard, stop, remaining, [] { return false; });
}

/// The stop callback of a thread that waits with this lock: the lock's own, if it has one, or the standard's.
template <class Lock, class F>
struct stop_callback_for : std::type_identity<std::stop_callback<F>> {};
template <class Lock, class F>
    requires requires(typename lock_traits<Lock>::template stop_callback<F>* p) { p; }
struct stop_callback_for<Lock, F> : std::type_identity<typename lock_traits<Lock>::template stop_callback<F>> {};

/// A thread that waits for another one to wake it, with the condition variable of its lock.
template <waiting_lock Lock, clock_policy Clock>
class parked_thread {
public:
    /// Unlocks, waits until `until` or until woken, and leaves it unlocked. It reads the clock before it unlocks,
    /// unless `until` is max(). It may return early, so look again.
    void wait(std::unique_lock<Lock> guard, const Clock& clock, typename Clock::time_point until) {
        if (until == Clock::time_point::max()) woken_.wait(guard);
        else woken_.wait_for(guard, bounded_wait(clock, until));
    }

    /// Wakes it. Call it with the lock held: the object may be gone as soon as the lock is free.
    void wake() noexcept { woken_.notify_one(); }

private:
    typename lock_traits<Lock>::condition_variable woken_;
};

/// With a clock that does not keep real time, the clock wakes the thread at its deadline.
template <waiting_lock Lock, clock_policy Clock>
    requires(!keeps_real_time<Clock>)
class parked_thread<Lock, Clock> {
public:
    /// Unlocks, and waits until `until` or until woken.
    void wait(std::unique_lock<Lock> guard, const Clock& clock, typename Clock::time_point until) {
        if (woken_.stop_requested()) woken_ = not_woken();  // the thread has looked since, under the lock
        const std::stop_token woken = woken_.get_token();
        guard.unlock();
        sleep_until(clock, until, woken);
    }

    /// Wakes it, now or at its next wait.
    void wake() noexcept { woken_.request_stop(); }

private:
    /// Not inlined: g++ 12 with sanitizers then warns that libstdc++'s constructor leaves something uninitialised.
    [[gnu::noinline]] static std::stop_source not_woken() { return std::stop_source{}; }

    std::stop_source woken_ = not_woken();
};

}  // namespace pool::core
