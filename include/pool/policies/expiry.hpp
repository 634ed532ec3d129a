// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>

#include <pool/core/saturating.hpp>

/// @file
/// How long a connection may stay idle. An expiry policy only returns a point in time. From then on, the pool does not
/// lend the connection, and the next sweep closes it.

namespace pool {

/// A model of ExpiryPolicy has a constant `can_expire`. If it is true, `expires_at(since)` is the expiry time of a
/// connection that was given back at `since`. `TimePoint::max()` means never. A later `since` must not give an earlier
/// result. It must not throw, and several threads may call it at the same time.
///
/// A result that is not later than `since` keeps nothing. A policy that has begun to keep nothing must go on so: a reaper
/// may then sleep for ever.
template <class Policy, class TimePoint>
concept expiry_policy = std::movable<Policy> && requires {
    { Policy::can_expire } -> std::convertible_to<bool>;
} && (!Policy::can_expire || requires(const Policy& policy, TimePoint since) {
    { policy.expires_at(since) } noexcept -> std::same_as<TimePoint>;
});

/// Connections never expire. The pool keeps no expiry times and does not read the clock.
struct never {
    static constexpr bool can_expire = false;  ///< so there is no `expires_at`
};

/// A connection expires when it has been idle for `ttl`. With a `ttl` of zero or less, no connection is kept.
class after_idle {
public:
    static constexpr bool can_expire = true;  ///< so there is an `expires_at`

    /// Keeps idle connections for ever.
    constexpr after_idle() noexcept = default;

    /// From any duration. It is limited to the range of nanoseconds (292 years).
    template <class Rep, class Period>
    constexpr explicit(false) after_idle(std::chrono::duration<Rep, Period> ttl) noexcept
        : ttl_{core::saturating_cast<std::chrono::nanoseconds>(ttl)} {}

    /// How long a connection may be idle; `max()` is for ever.
    constexpr std::chrono::nanoseconds ttl() const noexcept { return ttl_; }

    /// `since + ttl`, saturating.
    template <class TimePoint>
    constexpr TimePoint expires_at(TimePoint since) const noexcept {
        if (ttl_ == std::chrono::nanoseconds::max()) return TimePoint::max();
        return core::saturating_add(since, ttl_);
    }

private:
    std::chrono::nanoseconds ttl_ = std::chrono::nanoseconds::max();
};

}  // namespace pool
