// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

#include <pool/core/pool_interface.hpp>
#include <pool/core/pool_state.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/expiry.hpp>

/// @file
/// The pool, over the four policies.

namespace pool {

/// The parts of a pool that has one.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
class undivided : public pool_parameters<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy> {
public:
    using state_type = pool_state<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>;  ///< the one

    /// Without connections.
    undivided(CapacityPolicy&& capacity, ExpiryPolicy&& expiry, pool_settings&& settings, ClockPolicy&& clock)
        : state_{new state_type{std::move(capacity), std::move(expiry), std::move(settings), std::move(clock)},
              &state_type::abandon} {}

    /// The one: the key is not even hashed.
    const std::shared_ptr<state_type>& of(const auto&) const noexcept { return state_; }
    const std::shared_ptr<state_type>& any() const noexcept { return state_; }  ///< the one

    /// Calls `act` with it.
    void each(const auto& act) const { act(*state_); }
    /// What `ask` says of it.
    auto sum(const auto& ask) const { return ask(*state_); }
    /// What `ask` says of it: there is nothing to join.
    auto combine(const auto& ask, const auto&) const { return ask(*state_); }

    /// All of it.
    void reserve(std::size_t count) const { state_->reserve(count); }

    /// Gives it the whole capacity.
    std::size_t reconfigure(CapacityPolicy& capacity) const { return state_->reconfigure(capacity); }

private:
    std::shared_ptr<state_type> state_;
};

/// A pool of idle connections, found again by their key.
///
/// It bounds what is idle, not what is open, and so never makes a caller wait; unless its CapacityPolicy declares that it
/// bounds what is open, too (see `bounded_open`): then callers take turns. It has no thread: connections that are due are
/// not handed out, but are closed only by `expire()` (see `reaper`), or when they are met.
///
/// Thread-safe as far as LockPolicy is: with `null_mutex`, one thread at a time. Connections are dialled, closed and
/// destroyed without the lock, and those calls may call the pool.
///
/// What throws leaves the pool as it was, and a connection that it was given is still the caller's or has been closed.
/// Errors of closing are never thrown, but counted in `stats::failed_closes`; `close()` also returns them.
///
/// Each operation takes O(1), or O(log n) where it changes the index of deadlines; a look-up also passes over the blocked
/// ones of its key, and every operation closes what it retires.
///
/// To end a pool while another thread calls it, or from a dial of its own, is a mistake, as with any object. A close may end
/// it that is made by `clear`, `expire`, `reconfigure`, `close` or the end of a lease.
template <class Key, class Conn, class CapacityPolicy = unlimited, class ExpiryPolicy = never,
    class LockPolicy = std::mutex, class ClockPolicy = std::chrono::steady_clock>
class basic_pool
    : public pool_interface<undivided<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>> {
    using base = pool_interface<undivided<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>>;

public:
    /// An empty pool. Throws what the policies' moves throw, and `std::bad_alloc`.
    explicit basic_pool(CapacityPolicy capacity = CapacityPolicy{}, ExpiryPolicy expiry = ExpiryPolicy{},
        pool_settings settings = {}, ClockPolicy clock = ClockPolicy{})
        : base{std::move(capacity), std::move(expiry), std::move(settings), std::move(clock)} {}

    /// For what may outlive the pool, and is built upon its steps: `pool::asio` is.
    const std::shared_ptr<typename base::state_type>& shared() const noexcept { return this->parts().any(); }
};

}  // namespace pool
