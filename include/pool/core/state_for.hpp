// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <type_traits>

#include <pool/connection.hpp>
#include <pool/core/async_checks.hpp>
#include <pool/core/idle_limit.hpp>
#include <pool/core/open_limit.hpp>

/// @file
/// Which state a pool has.

namespace pool::core {

/// The state of a pool without asynchronous checks.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
using limit_for = std::conditional_t<open_capacity_policy<CapacityPolicy, Key>,
    open_limit<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>,
    idle_limit<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>>;

/// The state of a pool with these policies.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
using state_for = std::conditional_t<async_health_checked<Conn>,
    async_checks<limit_for<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>>,
    limit_for<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>>;

}  // namespace pool::core
