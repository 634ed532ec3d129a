// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <limits>

/// @file
/// How many connections a pool keeps, and how many it opens. A capacity policy answers questions, and does nothing else:
/// the pool evicts. It is asked under the pool's lock, so its answers must be cheap.

namespace pool {

/// The bound that is no bound.
inline constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

/// A model of CapacityPolicy: `max_idle()` bounds the whole pool, `max_idle_for(key)` one key. 0 keeps none. What is lent
/// is not counted.
template <class Policy, class Key>
concept capacity_policy = std::movable<Policy> && requires(const Policy& policy, const Key& key) {
    { policy.max_idle() } noexcept -> std::same_as<std::size_t>;
    { policy.max_idle_for(key) } noexcept -> std::same_as<std::size_t>;
};

/// Declares, by a constant `bounds_open` that is true, that it also bounds what is open. A pool with such a policy makes
/// its callers wait for their turn.
template <class Policy>
concept declares_open_bounds = requires { requires bool{Policy::bounds_open}; };

/// A capacity policy that also bounds what is open: idle, lent, being dialled or being closed.
/// - `max_open()` and `max_open_for(key)` are the bounds, of the whole pool and of one key;
/// - `max_dialing_for(key)` is how many dials of one key may be under way at once; it should not be 0;
/// - `max_waiting()` is how many callers may wait: the next one fails at once. Those for whom room is being made do not count.
///
/// Key's equality must not throw in a pool with such a policy.
template <class Policy, class Key>
concept open_capacity_policy = capacity_policy<Policy, Key> && declares_open_bounds<Policy> &&
                               requires(const Policy& policy, const Key& key) {
                                   { policy.max_open() } noexcept -> std::same_as<std::size_t>;
                                   { policy.max_open_for(key) } noexcept -> std::same_as<std::size_t>;
                                   { policy.max_dialing_for(key) } noexcept -> std::same_as<std::size_t>;
                                   { policy.max_waiting() } noexcept -> std::same_as<std::size_t>;
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

/// Bounds on what is open, chosen at run time: `bounded_open{.total = 16, .per_key = 4}`.
struct bounded_open {
    static constexpr bool bounds_open = true;  ///< declares it

    std::size_t total = no_limit;                ///< open connections in all
    std::size_t per_key = no_limit;              ///< open connections of one key
    std::size_t idle_total = no_limit;           ///< idle connections in all
    std::size_t idle_per_key = no_limit;         ///< idle connections of one key
    std::size_t max_waiters = no_limit;          ///< callers that wait at once
    std::size_t max_dialing_per_key = no_limit;  ///< dials of one key at once

    constexpr std::size_t max_idle() const noexcept { return idle_total; }                          ///< in all
    constexpr std::size_t max_idle_for(const auto&) const noexcept { return idle_per_key; }         ///< of one key
    constexpr std::size_t max_open() const noexcept { return total; }                               ///< in all
    constexpr std::size_t max_open_for(const auto&) const noexcept { return per_key; }              ///< of one key
    constexpr std::size_t max_dialing_for(const auto&) const noexcept { return max_dialing_per_key; }  ///< of one key
    constexpr std::size_t max_waiting() const noexcept { return max_waiters; }                      ///< in all
};

}  // namespace pool
