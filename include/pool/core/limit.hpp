// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <stdexcept>
#include <string>

#include <pool/core/saturating.hpp>

/// @file
/// A bound, and a time, as a capacity policy keeps them; and an option that is a time.

namespace pool::core {

/// A number that is set like a member and asked like a function. So one name serves both the caller who sets a bound and
/// the pool that asks for it: `bounded{.max_idle = 64}` and `policy.max_idle()`. In arithmetic, ask it.
struct limit {
    std::size_t value;  ///< the number; use it as the functions below do

    /// This many. A negative number is an error: at compile time, or `std::invalid_argument`.
    template <std::integral Number>
        requires(!std::same_as<Number, bool>)
    constexpr explicit(false) limit(Number number) : value{static_cast<std::size_t>(number)} {
        if (number < Number{0}) throw std::invalid_argument{"pool: a bound is negative: " + std::to_string(number)};
    }
    limit(std::floating_point auto) = delete;  ///< a part of a connection cannot be kept

    constexpr explicit(false) operator std::size_t() const noexcept { return value; }  ///< as a number
    constexpr std::size_t operator()() const noexcept { return value; }                ///< as an answer
};

/// A time that is set like a member and asked like a function, as `limit`.
struct time_limit {
    std::chrono::nanoseconds value;  ///< the time; use it as the functions below do

    /// This long. It is limited to the range of nanoseconds. A negative time is zero.
    template <class Rep, class Period>
    constexpr explicit(false) time_limit(std::chrono::duration<Rep, Period> time) noexcept
        : value{std::max(saturating_cast<std::chrono::nanoseconds>(time), std::chrono::nanoseconds::zero())} {}

    constexpr explicit(false) operator std::chrono::nanoseconds() const noexcept { return value; }  ///< as a time
    constexpr std::chrono::nanoseconds operator()() const noexcept { return value; }                ///< as an answer
};

/// An option that is any duration, in the range of nanoseconds. It may be negative: whoever reads it refuses that.
struct duration_option {
    std::chrono::nanoseconds value{0};  ///< zero, if the option is left out

    constexpr duration_option() noexcept = default;  ///< zero

    /// From any duration, such as `5s`.
    template <class Rep, class Period>
    constexpr explicit(false) duration_option(std::chrono::duration<Rep, Period> time) noexcept
        : value{saturating_cast<std::chrono::nanoseconds>(time)} {}
};

}  // namespace pool::core
