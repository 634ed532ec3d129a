// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <condition_variable>
#include <cstdint>
#include <ctime>
#include <memory>
#include <mutex>
#include <stop_token>

#include <pool/policies/expiry.hpp>

/// @file
/// Where a pool's time comes from. A clock is an object with `now()`; a standard clock, whose `now()` is static, is one
/// too. It has to be steady: a wall clock that is set back would keep connections for as long as it was set back by.

namespace pool {

/// A model of ClockPolicy is steady, copyable, and says the time from any thread, without throwing.
template <class Clock>
concept clock_policy = std::copyable<Clock> && Clock::is_steady && requires(const Clock& clock) {
    typename Clock::duration;
    { clock.now() } -> std::same_as<typename Clock::time_point>;
};

/// Reads in a few nanoseconds what `std::chrono::steady_clock` reads in more than twenty, but only moves at each tick of
/// the system: every 1 to 10 ms, as `resolution()` says. So a connection may be handed out, or wait to be closed, for that
/// much longer than its time. Where there is no such clock, it is `std::chrono::steady_clock`. Its times are that clock's.
class coarse_clock {
public:
    using time_point = std::chrono::steady_clock::time_point;  ///< as `std::chrono` names it
    using duration = time_point::duration;                     ///< as `std::chrono` names it
    using rep = duration::rep;                                 ///< as `std::chrono` names it
    using period = duration::period;                           ///< as `std::chrono` names it
    static constexpr bool is_steady = true;                    ///< it is never set

    /// The time of the last tick.
    static time_point now() noexcept {
#ifdef CLOCK_MONOTONIC_COARSE
        std::timespec read{};
        clock_gettime(CLOCK_MONOTONIC_COARSE, &read);
        return time_point{since_start(read)};
#else
        return std::chrono::steady_clock::now();
#endif
    }

    /// From one tick to the next.
    static duration resolution() noexcept {
#ifdef CLOCK_MONOTONIC_COARSE
        std::timespec read{};
        clock_getres(CLOCK_MONOTONIC_COARSE, &read);
        return since_start(read);
#else
        return duration{1};
#endif
    }

private:
    static constexpr duration since_start(const std::timespec& read) noexcept {
        return std::chrono::duration_cast<duration>(
            std::chrono::seconds{read.tv_sec} + std::chrono::nanoseconds{read.tv_nsec});
    }
};

/// The clock of a test: it stands still until it is moved. Copies share one time, so the test keeps a copy and the pool
/// has another. All members are thread-safe.
class manual_clock {
public:
    using rep = std::int64_t;                                            ///< as `std::chrono` names it
    using period = std::nano;                                            ///< a tick is a nanosecond
    using duration = std::chrono::duration<rep, period>;                 ///< as `std::chrono` names it
    using time_point = std::chrono::time_point<manual_clock, duration>;  ///< as `std::chrono` names it
    static constexpr bool is_steady = true;                              ///< by decree: the test is the clock

    /// The time it was set to; at first, zero.
    time_point now() const {
        const std::scoped_lock guard{shared_->mutex};
        return shared_->now;
    }

    /// Moves the time by `by`, saturating. A negative `by` moves it back.
    void advance(duration by) {
        move([by](time_point now) { return saturating_add(now, by); });
    }

    /// Sets the time to `to`, before or after what it was.
    void set(time_point to) {
        move([to](time_point) { return to; });
    }

    /// Blocks until the time is `until` or later, or a stop is requested.
    void sleep_until(time_point until, const std::stop_token& stop) const {
        std::unique_lock guard{shared_->mutex};
        shared_->moved.wait(guard, stop, [&] { return shared_->now >= until; });
    }

private:
    struct shared_time {
        std::mutex mutex;  ///< guards `now`
        std::condition_variable_any moved;
        time_point now{};
    };

    void move(auto next) {
        {
            const std::scoped_lock guard{shared_->mutex};
            shared_->now = next(shared_->now);
        }
        shared_->moved.notify_all();
    }

    std::shared_ptr<shared_time> shared_ = std::make_shared<shared_time>();
};

/// Whether a clock's time passes as real time does. A clock of which this is false, like `manual_clock`, also has a
/// `sleep_until` of its own.
template <class Clock>
inline constexpr bool keeps_real_time = true;
template <>
inline constexpr bool keeps_real_time<manual_clock> = false;  ///< it stands still

/// How long a thread may wait for `until`: not after it, and for an hour at most, because the arithmetic of condition
/// variables overflows near `time_point::max()`.
template <clock_policy Clock>
typename Clock::duration bounded_wait(const Clock& clock, typename Clock::time_point until) {
    constexpr auto longest = saturating_cast<typename Clock::duration>(std::chrono::hours{1});
    const auto now = clock.now();
    if (until <= now) return Clock::duration::zero();
    return until < saturating_add(now, longest) ? until - now : longest;
}

/// Blocks until `clock` says `until` or later, or a stop is requested; may return early, so ask again.
template <clock_policy Clock>
void sleep_until(const Clock& clock, typename Clock::time_point until, const std::stop_token& stop) {
    const auto remaining = bounded_wait(clock, until);
    if (remaining <= remaining.zero()) return;

    std::mutex mutex;
    std::condition_variable_any woken;
    std::unique_lock guard{mutex};
    woken.wait_for(guard, stop, remaining, [] { return false; });
}

/// Blocks until the clock has been moved to `until` or later, or a stop is requested.
inline void sleep_until(const manual_clock& clock, manual_clock::time_point until, const std::stop_token& stop) {
    clock.sleep_until(until, stop);
}

}  // namespace pool
