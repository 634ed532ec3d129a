// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <limits>

/// @file
/// How many idle connections a pool keeps. A capacity policy answers two questions, and does nothing else: the pool
/// evicts. It is asked under the pool's lock, so its answers must be cheap. What is lent is never counted.

namespace pool {

/// The bound that is no bound.
inline constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

/// A model of CapacityPolicy: `max_idle()` bounds the whole pool, `max_idle_for(key)` one key. 0 keeps none.
template <class Policy, class Key>
concept capacity_policy = std::movable<Policy> && requires(const Policy& policy, const Key& key) {
    { policy.max_idle() } noexcept -> std::same_as<std::size_t>;
    { policy.max_idle_for(key) } noexcept -> std::same_as<std::size_t>;
};

/// Keeps every connection that is given back.
struct unlimited {
    static constexpr std::size_t max_idle() noexcept { return no_limit; }                 ///< in all
    static constexpr std::size_t max_idle_for(const auto&) noexcept { return no_limit; }  ///< of one key
};

/// Bounds chosen at run time: `bounded{.total = 64, .per_key = 5}`.
struct bounded {
    std::size_t total = no_limit;    ///< idle connections in all
    std::size_t per_key = no_limit;  ///< idle connections of one key

    constexpr std::size_t max_idle() const noexcept { return total; }                   ///< in all
    constexpr std::size_t max_idle_for(const auto&) const noexcept { return per_key; }  ///< of one key
};

/// Bounds chosen at compile time; takes no space.
template <std::size_t Total, std::size_t PerKey = no_limit>
struct fixed {
    static constexpr std::size_t max_idle() noexcept { return Total; }                  ///< in all
    static constexpr std::size_t max_idle_for(const auto&) noexcept { return PerKey; }  ///< of one key
};

}  // namespace pool
