// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <mutex>
#include <utility>

#include <pool/core/pool_facade.hpp>
#include <pool/core/requirements.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/settings.hpp>

/// @file
/// The pool. Its four policies are template parameters.

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
/// it bounds the open ones, too (see `bounded_open`), callers wait in one queue, oldest first. The pool has no thread.
/// It never lends an expired connection. It closes expired connections only in `expire()` (see `reaper`), or when an
/// operation finds them.
///
/// Thread-safe, if LockPolicy is a lock. With `null_mutex`, only one thread at a time may use the pool. Connections are
/// dialled, closed and destroyed without the lock, and those calls may call the pool.
///
/// If a member function throws, the pool is as before. A connection that was passed to it still belongs to the caller,
/// or has been closed. Errors of closing are never thrown, but counted in `stats::failed_closes`; `close()` also
/// returns them.
///
/// Each operation takes O(1), or O(log n) if it changes the index of expiry times. `reconfigure` and `reserve` take
/// O(n). In addition, a look-up skips the blocked connections of its key, and every operation closes the connections
/// that it retires. If the pool bounds the open connections, an operation that changes the wait queue takes O(log n),
/// however many callers and keys wait.
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

    /// The same, with a dial of its own, for calls that bring none. The pool and its lazy connections share the dial.
    /// Several threads may call it at once. Throws what its move throws, too.
    template <class Dial>
        requires(!std::convertible_to<Dial, ClockPolicy>)
    basic_pool(CapacityPolicy capacity, ExpiryPolicy expiry, pool_settings settings, Dial dial,
        ClockPolicy clock = ClockPolicy{})
        : basic_pool{std::move(capacity), std::move(expiry), std::move(settings), std::move(clock)} {
        if constexpr (core::accepted<base>) this->own(std::move(dial));
    }

    /// Makes room in the index of keys for `count` connections. Until there are more, no operation has to make the
    /// index grow, which takes tens of milliseconds at a million connections. Throws `std::bad_alloc`, and
    /// `std::length_error` if no memory could hold so many.
    void reserve(std::size_t count) { this->states().front()->reserve(count); }

    /// Replaces the capacity policy, and closes the idle connections that exceed it, or that are dead. Returns how
    /// many. O(n).
    std::size_t reconfigure(CapacityPolicy capacity) {
        return this->sum([&](auto& state) { return state.reconfigure(capacity); });
    }

    /// Replaces the expiry policy, and closes the idle connections that have expired by it. Returns how many. O(n). What
    /// is given back from now on expires by the new policy. An idle connection keeps its expiry time, unless the new
    /// policy has an earlier one for a connection that is given back now. So no idle connection lives longer than by
    /// the old policy.
    ///
    /// A reaper that sleeps wakes up when it has planned to. `reaper::wake` makes it plan again.
    template <std::same_as<ExpiryPolicy> Policy>
    std::size_t reconfigure(Policy expiry) {
        static_assert(
            Policy::can_expire, "pool: this pool's ExpiryPolicy has nothing to reconfigure: it cannot expire");
        if constexpr (Policy::can_expire)
            return this->sum([&](auto& state) { return state.reconfigure_expiry(expiry); });
        else return 0;
    }
};

}  // namespace pool
