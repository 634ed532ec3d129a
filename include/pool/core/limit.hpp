// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

#include <pool/core/platform.hpp>

/// @file
/// A bound as a capacity policy keeps it.

namespace pool::core {

/// A number that can be set like a data member and called like a function. So the caller that sets a bound and the pool
/// that reads it use the same name: `bounded{.max_idle = 64}` and `policy.max_idle()`.
class limit {
public:
    constexpr explicit(false) limit(std::size_t value) noexcept : value_{value} {}      ///< this many
    constexpr explicit(false) operator std::size_t() const noexcept { return value_; }  ///< as a number
    constexpr std::size_t operator()() const noexcept { return value_; }                ///< the number

private:
    std::size_t value_;
};

}  // namespace pool::core
