// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <limits>

#include <pool/core/limit.hpp>

/// @file
/// How many connections a pool keeps and opens. A capacity policy only returns these numbers; the pool counts and
/// evicts. The pool calls it under its lock, so its functions must be cheap.

namespace pool {

/// The value for "no bound".
inline constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

/// A model of CapacityPolicy bounds the idle connections: `max_idle()` for all keys together, `max_idle_for(key)` for
/// one key. A bound of 0 keeps no connection. Lent connections do not count.
template <class Policy, class Key>
concept capacity_policy = std::movable<Policy> && requires(const Policy& policy, const Key& key) {
    { policy.max_idle() } noexcept -> std::same_as<std::size_t>;
    { policy.max_idle_for(key) } noexcept -> std::same_as<std::size_t>;
};

/// A policy declares, by a constant `bounds_open` that is true, that it also bounds the open connections. Callers of a
/// pool with such a policy may have to wait.
template <class Policy>
concept declares_open_bounds = requires { requires bool{Policy::bounds_open}; };

/// A capacity policy that also bounds the open connections: idle, lent, being dialled or being closed.
/// - `max_open()` and `max_open_for(key)` are the bounds, in all and of one key.
/// - `max_dials_for(key)` bounds the dials of one key that run at the same time. It should not be 0.
/// - `max_waiting()` bounds the waiting callers. A further caller fails at once. Callers do not count for which a
///   connection is on its way: one that is being closed to make room, or an idle one that they were notified of.
///
/// A connection that leaves by `detach` or `take` is not open any more. With such a policy, comparing two keys must not
/// throw.
template <class Policy, class Key>
concept open_capacity_policy = capacity_policy<Policy, Key> && declares_open_bounds<Policy> &&
                               requires(const Policy& policy, const Key& key) {
                                   { policy.max_open() } noexcept -> std::same_as<std::size_t>;
                                   { policy.max_open_for(key) } noexcept -> std::same_as<std::size_t>;
                                   { policy.max_dials_for(key) } noexcept -> std::same_as<std::size_t>;
                                   { policy.max_waiting() } noexcept -> std::same_as<std::size_t>;
                               };

/// An open capacity policy that also has a patience: the time for which a caller that waits may be overtaken. While the
/// oldest waiting caller of a key has waited for less than `patience()`, a connection of that key that comes back stays
/// idle. The caller is notified to look for it, but whoever comes first gets it. So threads that are running need not
/// wait for one that is about to wake up, and the pool serves many times as many callers. From then on connections go to
/// the oldest caller. A policy without a patience, or with one of zero, is strict: nobody overtakes.
template <class Policy>
concept patient = requires(const Policy& policy) {
    { policy.patience() } noexcept -> std::convertible_to<std::chrono::nanoseconds>;
};

/// A policy declares, by a constant `bounds_weight` that is true, that it also bounds the weight of the idle connections.
template <class Policy>
concept declares_weight_bound = requires { requires bool{Policy::bounds_weight}; };

/// A capacity policy that also bounds the weight of the idle connections, for all keys together: `max_idle_weight()`. The
/// weight is what `connection_traits<Conn>::weight` says, such as a number of bytes. A connection is asked when it
/// is given back. To make room for it, the oldest idle connections are evicted. One that is heavier than the bound alone
/// is not kept, and neither is one for which more than 128 would have to be evicted.
template <class Policy, class Key>
concept weight_capacity_policy = capacity_policy<Policy, Key> && declares_weight_bound<Policy> &&
                                 requires(const Policy& policy) {
                                     { policy.max_idle_weight() } noexcept -> std::same_as<std::size_t>;
                                 };

/// Keeps every connection that is given back.
struct unlimited {
    static constexpr std::size_t max_idle() noexcept { return no_limit; }                 ///< in all
    static constexpr std::size_t max_idle_for(const auto&) noexcept { return no_limit; }  ///< of one key
};

/// Bounds on the idle connections, chosen at run time: `bounded{.max_idle = 64, .max_idle_per_key = 5}`.
struct bounded {
    core::limit max_idle = no_limit;          ///< in all
    core::limit max_idle_per_key = no_limit;  ///< of one key

    constexpr std::size_t max_idle_for(const auto&) const noexcept { return max_idle_per_key; }  ///< of one key
};

/// Bounds on the idle connections, chosen at compile time. Takes no space.
template <std::size_t MaxIdle, std::size_t MaxIdlePerKey = no_limit>
struct fixed {
    static constexpr std::size_t max_idle() noexcept { return MaxIdle; }                       ///< in all
    static constexpr std::size_t max_idle_for(const auto&) noexcept { return MaxIdlePerKey; }  ///< of one key
};

/// Bounds on the open connections, chosen at run time: `bounded_open{.max_open = 16, .max_open_per_key = 4}`.
struct bounded_open {
    static constexpr bool bounds_open = true;  ///< declares it

    core::limit max_open = no_limit;           ///< open connections in all
    core::limit max_open_per_key = no_limit;   ///< open connections of one key
    core::limit max_idle = no_limit;           ///< idle connections in all
    core::limit max_idle_per_key = no_limit;   ///< idle connections of one key
    core::limit max_waiting = no_limit;        ///< callers that wait at once
    core::limit max_dials_per_key = no_limit;  ///< dials of one key at once
    core::time_limit patience = std::chrono::milliseconds{1};  ///< how long a waiting caller may be overtaken

    constexpr std::size_t max_open_for(const auto&) const noexcept { return max_open_per_key; }    ///< of one key
    constexpr std::size_t max_idle_for(const auto&) const noexcept { return max_idle_per_key; }    ///< of one key
    constexpr std::size_t max_dials_for(const auto&) const noexcept { return max_dials_per_key; }  ///< of one key
};

/// Another capacity policy, and a bound on the weight of the idle connections:
/// `weighed<bounded>{{.max_idle = 64}, 100'000'000}`.
template <class CapacityPolicy>
struct weighed : CapacityPolicy {
    static constexpr bool bounds_weight = true;  ///< declares it

    core::limit max_idle_weight = no_limit;  ///< of all idle connections together
};

namespace core {

/// The bound of two parts of a pool together. Without one of theirs, `no_limit`.
constexpr std::size_t sum_of_bounds(std::size_t a, std::size_t b) noexcept {
    return a > no_limit - b ? no_limit : a + b;
}

/// The bound on the weight of the idle connections. Without one, `no_limit`.
template <class CapacityPolicy>
constexpr std::size_t weight_bound(const CapacityPolicy& capacity) noexcept {
    if constexpr (declares_weight_bound<CapacityPolicy>) return capacity.max_idle_weight();
    else return no_limit;
}

}  // namespace core

}  // namespace pool
