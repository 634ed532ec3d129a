// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <ratio>

#include <pool/core/platform.hpp>

/// @file
/// Arithmetic with times that saturates: it stops at the ends of the range, and does not overflow.

namespace pool::core {

/// Converts between units, held within the range of Duration; NaN becomes zero.
/// A fraction of a tick is rounded up, so that nothing expires early.
template <class Duration, class Rep, class Period>
constexpr Duration saturating_cast(std::chrono::duration<Rep, Period> from) noexcept {
    if constexpr (std::integral<Rep> && std::same_as<Duration, std::chrono::duration<Rep, Period>>) {
        return from;
    } else {
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
        } else {  // intermediate results of std::chrono's exact arithmetic would overflow
            return std::chrono::ceil<Duration>(wide);
        }
    }
}

/// `at + by`, held within the range of TimePoint. `by` may be of any unit.
template <class TimePoint, class Rep, class Period>
constexpr TimePoint saturating_add(TimePoint at, std::chrono::duration<Rep, Period> by) noexcept {
    using duration = typename TimePoint::duration;
    const auto own = saturating_cast<duration>(by);
    if (own > duration::zero() && at > TimePoint::max() - own) return TimePoint::max();
    if (own < duration::zero() && at < TimePoint::min() - own) return TimePoint::min();
    return at + own;
}

/// How much later `now` is than `then`, held within the range; zero if it is earlier.
template <class TimePoint>
constexpr typename TimePoint::duration saturating_since(TimePoint then, TimePoint now) noexcept {
    using duration = typename TimePoint::duration;
    if (now <= then) return duration::zero();
    const duration before = then.time_since_epoch();
    if (before < duration::zero() && now.time_since_epoch() > duration::max() + before) return duration::max();
    return now - then;
}

}  // namespace pool::core
