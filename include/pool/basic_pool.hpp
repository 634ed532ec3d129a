// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <utility>

#include <pool/core/pool_facade.hpp>
#include <pool/core/requirements.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/settings.hpp>

/// @file
/// The pool, over the four policies.

namespace pool {

namespace core {
/// The base of a `basic_pool`.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
using basic_pool_facade =
    facade_if<check_parameters<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>(), 1, Key, Conn,
        CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>;
}  // namespace core

/// A pool of idle connections, found by their key.
///
/// By default it bounds only the idle connections, and never makes a caller wait. If its CapacityPolicy declares that
/// it bounds the open ones, too (see `bounded_open`), callers wait in one queue, oldest first. The pool has no thread:
/// it does not lend connections that have expired, but closes them only by `expire()` (see `reaper`), or when it meets
/// them.
///
/// Thread-safe as far as LockPolicy is: with `null_mutex`, one thread at a time. Connections are dialled, closed and
/// destroyed without the lock, and those calls may call the pool.
///
/// If a member throws, the pool is as before, and a connection that it was given is still the caller's or has been
/// closed. Errors of closing are never thrown, but counted in `stats::failed_closes`; `close()` also returns them.
///
/// Each operation takes O(1), or O(log n) where it changes the index of expiry. A look-up also passes over the blocked
/// connections of its key, and every operation closes what it retires.
///
/// Do not destroy a pool while another thread is calling it, or from inside one of its dials. A connection's `close`
/// may destroy it, if `clear`, `expire`, `reconfigure`, `close` or the end of a lease makes it.
template <class Key, class Conn, class CapacityPolicy = unlimited, class ExpiryPolicy = never,
    class LockPolicy = std::mutex, class ClockPolicy = std::chrono::steady_clock>
class basic_pool
    : public core::basic_pool_facade<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy> {
    using base = core::basic_pool_facade<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>;

public:
    using lock_type = LockPolicy;  ///< the parameter

    /// An empty pool. Throws what the policies' moves throw, and `std::bad_alloc`.
    explicit basic_pool(CapacityPolicy capacity = CapacityPolicy{}, ExpiryPolicy expiry = ExpiryPolicy{},
        pool_settings settings = {}, ClockPolicy clock = ClockPolicy{})
        : base{[&](std::size_t) { return std::move(capacity); }, std::move(expiry), std::move(settings),
              std::move(clock)} {}

    /// Makes room in the index of keys: while there are no more connections than `count`, no operation stops to make it
    /// grow, which at a million takes tens of milliseconds. Throws `std::bad_alloc`, and `std::length_error` if no
    /// memory could hold so many.
    void reserve(std::size_t count) { this->states().front()->reserve(count); }

    /// Replaces the capacity policy, and evicts what is idle beyond it. Returns how many. O(n).
    std::size_t reconfigure(CapacityPolicy capacity) {
        return this->sum([&](auto& state) { return state.reconfigure(capacity); });
    }
};

}  // namespace pool
