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

#include <pool/core/saturating.hpp>

/// @file
/// The source of a pool's time. A clock is an object with `now()`. A standard clock, whose `now()` is static, is one,
/// too. It has to be steady: if a wall clock were set back by an hour, connections would be kept an hour longer.

namespace pool {

/// A model of ClockPolicy is steady and copyable. Several threads may call `now()` at the same time, and it does not
/// throw.
template <class Clock>
concept clock_policy = std::copyable<Clock> && Clock::is_steady && requires(const Clock& clock) {
    typename Clock::duration;
    { clock.now() } -> std::same_as<typename Clock::time_point>;
};

/// A faster `std::chrono::steady_clock`: reading it takes a few nanoseconds instead of more than twenty. It moves only
/// at each tick of the system, every 1 to 10 ms (see `resolution()`). So a connection may be lent, or stay open, up to
/// one tick longer than its time to live. Its time points are those of `std::chrono::steady_clock`. If the system has
/// no coarse clock, it reads `std::chrono::steady_clock`.
class coarse_clock {
public:
    using time_point = std::chrono::steady_clock::time_point;  ///< as `std::chrono` names it
    using duration = time_point::duration;                     ///< as `std::chrono` names it
    using rep = duration::rep;                                 ///< as `std::chrono` names it
    using period = duration::period;                           ///< as `std::chrono` names it
    static constexpr bool is_steady = true;                    ///< the system never sets it

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

#ifdef CLOCK_MONOTONIC_COARSE
private:
    static constexpr duration since_start(const std::timespec& read) noexcept {
        return std::chrono::duration_cast<duration>(
            std::chrono::seconds{read.tv_sec} + std::chrono::nanoseconds{read.tv_nsec});
    }
#endif
};

/// The clock of a test: it stands still until the test moves it. Copies share one time: the test keeps one, the pool
/// has another. All members are thread-safe.
class manual_clock {
public:
    using rep = std::int64_t;                                            ///< as `std::chrono` names it
    using period = std::nano;                                            ///< a tick is a nanosecond
    using duration = std::chrono::duration<rep, period>;                 ///< as `std::chrono` names it
    using time_point = std::chrono::time_point<manual_clock, duration>;  ///< as `std::chrono` names it
    static constexpr bool is_steady = true;                              ///< as a pool requires; only a test sets it

    /// The time that the test has set. It starts at zero.
    time_point now() const {
        const std::scoped_lock guard{shared_->mutex};
        return shared_->now;
    }

    /// Moves the time by `by`, saturating. A negative `by` moves it back.
    void advance(duration by) {
        move([by](time_point now) { return core::saturating_add(now, by); });
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

    /// The same, in the form that the pool calls.
    friend void sleep_until(const manual_clock& clock, time_point until, const std::stop_token& stop) {
        clock.sleep_until(until, stop);
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

/// Whether a clock advances as real time does. A clock that does not, such as `manual_clock`, needs a function
/// `sleep_until(const Clock&, Clock::time_point, const std::stop_token&)` that argument-dependent look-up finds, such
/// as a friend of the clock. A member function is not found. A clock that keeps real time may have one, too.
template <class Clock>
inline constexpr bool keeps_real_time = true;
template <>
inline constexpr bool keeps_real_time<manual_clock> = false;  ///< it stands still

}  // namespace pool
