// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <ratio>

/// @file
/// How long a connection may stay idle. An expiry policy answers with a deadline, and does nothing else: from that
/// instant on the connection is no longer handed out, and the next sweep closes it.

namespace pool {

/// A model of ExpiryPolicy says whether it expires anything at all and, if so, when a connection that was given back at
/// `since` is due; `TimePoint::max()` is never. The answer must not come earlier for a later `since`, must not throw,
/// and may be asked by several threads at once.
template <class Policy, class TimePoint>
concept expiry_policy = std::movable<Policy> && requires {
    { Policy::can_expire } -> std::convertible_to<bool>;
} && (!Policy::can_expire || requires(const Policy& policy, TimePoint since) {
    { policy.expires_at(since) } noexcept -> std::same_as<TimePoint>;
});

/// `at + by`, held within the range of TimePoint instead of overflowing.
template <class TimePoint>
constexpr TimePoint saturating_add(TimePoint at, typename TimePoint::duration by) noexcept {
    using duration = typename TimePoint::duration;
    if (by > duration::zero() && at > TimePoint::max() - by) return TimePoint::max();
    if (by < duration::zero() && at < TimePoint::min() - by) return TimePoint::min();
    return at + by;
}

/// Converts between units, held within the range of Duration instead of overflowing; NaN becomes zero.
/// A fraction of a tick is rounded up, so that nothing expires early.
template <class Duration, class Rep, class Period>
constexpr Duration saturating_cast(std::chrono::duration<Rep, Period> from) noexcept {
    using real = std::chrono::duration<long double, typename Duration::period>;
    const real wide = from;
    if (wide != wide) return Duration::zero();
    if (wide >= real{Duration::max()}) return Duration::max();
    if (wide <= real{Duration::min()}) return Duration::min();
    using ratio = std::ratio_divide<Period, typename Duration::period>;
    if constexpr (std::chrono::treat_as_floating_point_v<typename Duration::rep>) {
        return std::chrono::duration_cast<Duration>(wide);
    } else if constexpr (ratio::num == 1 || ratio::den == 1) {
        return std::chrono::ceil<Duration>(from);
    } else {  // the exact arithmetic of std::chrono overflows on the way
        return std::chrono::ceil<Duration>(wide);
    }
}

/// Nothing expires: the pool keeps no deadlines and does not read the clock.
struct never {
    static constexpr bool can_expire = false;  ///< so there is no `expires_at`
};

/// A connection expires when it has been idle for `ttl`. Zero or less keeps none.
class after_idle {
public:
    static constexpr bool can_expire = true;  ///< so there is an `expires_at`

    /// Keeps idle connections for ever.
    constexpr after_idle() noexcept = default;

    /// From any duration, held within the range of nanoseconds (292 years).
    template <class Rep, class Period>
    constexpr explicit(false) after_idle(std::chrono::duration<Rep, Period> ttl) noexcept
        : ttl_{saturating_cast<std::chrono::nanoseconds>(ttl)} {}

    /// How long a connection may be idle; `max()` is for ever.
    constexpr std::chrono::nanoseconds ttl() const noexcept { return ttl_; }

    /// `since + ttl`, saturating.
    template <class TimePoint>
    constexpr TimePoint expires_at(TimePoint since) const noexcept {
        if (ttl_ == std::chrono::nanoseconds::max()) return TimePoint::max();
        return saturating_add(since, saturating_cast<typename TimePoint::duration>(ttl_));
    }

private:
    std::chrono::nanoseconds ttl_ = std::chrono::nanoseconds::max();
};

}  // namespace pool
