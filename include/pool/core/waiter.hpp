// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <mutex>
#include <stop_token>

#include <pool/policies/clock.hpp>
#include <pool/policies/lock.hpp>

/// @file
/// How a thread waits for something that happens under a lock.

namespace pool {

/// One thread that waits, with the condition variable of its lock.
template <waiting_lock Lock, clock_policy Clock>
class waiter {
public:
    /// Unlocks and waits until `until`, or until woken; may return early, so look again.
    void wait(std::unique_lock<Lock> guard, const Clock& clock, typename Clock::time_point until) {
        if (until == Clock::time_point::max()) woken_.wait(guard);
        else woken_.wait_for(guard, bounded_wait(clock, until));
    }

    /// Wakes it. Called with the lock held: the waiter may be gone as soon as the lock is free.
    void wake() noexcept { woken_.notify_one(); }

private:
    typename lock_traits<Lock>::condition_variable woken_;
};

/// With a clock that does not keep real time, it is the clock that wakes it at its deadline.
template <waiting_lock Lock, clock_policy Clock>
    requires(!keeps_real_time<Clock>)
class waiter<Lock, Clock> {
public:
    /// Unlocks and waits until `until`, or until woken.
    void wait(std::unique_lock<Lock> guard, const Clock& clock, typename Clock::time_point until) {
        if (woken_.stop_requested()) woken_ = not_woken();  // by something that has been looked at since
        const std::stop_token woken = woken_.get_token();
        guard.unlock();
        sleep_until(clock, until, woken);
    }

    /// Wakes it, now or at its next wait.
    void wake() noexcept { woken_.request_stop(); }

private:
    /// Not inlined, because g++ 12 then warns of libstdc++'s constructor, as not initialised, if sanitizers are on.
    [[gnu::noinline]] static std::stop_source not_woken() { return std::stop_source{}; }

    std::stop_source woken_ = not_woken();
};

/// A caller who waits, and dials, in a thread of its own.
template <class Request, waiting_lock Lock, clock_policy Clock>
class blocking_request final : public Request, public waiter<Lock, Clock> {
public:
    blocking_request() : Request{true} {}

private:
    void told() noexcept override { this->wake(); }
};

}  // namespace pool
