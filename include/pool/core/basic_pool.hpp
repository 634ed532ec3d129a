// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <pool/core/connection.hpp>
#include <pool/core/dial.hpp>
#include <pool/core/error.hpp>
#include <pool/core/key.hpp>
#include <pool/core/lease.hpp>
#include <pool/core/pool_state.hpp>
#include <pool/core/pooled_connection.hpp>
#include <pool/core/stats.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/clock.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/policies/lock.hpp>

/// @file
/// The pool: what a caller can do, over the four policies.

namespace pool {

/// A pool of idle connections, found again by their key.
///
/// It bounds what is idle, never what is open, so it never makes a caller wait. It has no thread: connections that are
/// due are not handed out, but are closed only by `expire()` (see `reaper`), or when they are met.
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
/// To end a pool while another thread calls it, or from a close or dial of its own, is a mistake, as with any object.
template <class Key, class Conn, class CapacityPolicy = unlimited, class ExpiryPolicy = never,
    class LockPolicy = std::mutex, class ClockPolicy = std::chrono::steady_clock>
class basic_pool {
    static_assert(closes<Conn>, "pool: Conn needs a member close(), or a connection_traits<Conn> with close(Conn&)");
    static_assert(tells_closed<Conn>,
        "pool: Conn needs a member bool closed() const noexcept, or a connection_traits<Conn> with closed(const Conn&)");
    static_assert(tells_unblocked<Conn>,
        "pool: Conn needs a member bool unblocked() const noexcept, or a connection_traits<Conn> with "
        "unblocked(const Conn&)");
    static_assert(!std::same_as<Key, const char*> && !std::same_as<Key, char*>,
        "pool: a Key of characters must own them, as std::string does: a pointer is told apart by its address");
    static_assert(hashable_key<Key>,
        "pool: Key needs a std::hash, or to be an aggregate of fields that have one, or a key_traits<Key>");
    static_assert(comparable_key<Key>, "pool: Key needs an operator==, or a key_traits<Key>");
    static_assert(std::copy_constructible<Key>, "pool: Key must be copyable");
    static_assert(viewable_key<Key>, "pool: Key must convert to the view of its key_traits<Key>, and be made from one");
    static_assert(capacity_policy<CapacityPolicy, Key>,
        "pool: CapacityPolicy needs std::size_t max_idle() const noexcept and "
        "std::size_t max_idle_for(const Key&) const noexcept");
    static_assert(clock_policy<ClockPolicy>,
        "pool: ClockPolicy needs now(), and must be steady: a wall clock can be set back");
    static_assert(expiry_policy<ExpiryPolicy, typename ClockPolicy::time_point>,
        "pool: ExpiryPolicy needs a constant can_expire and, if that is true, "
        "a time_point expires_at(time_point) const noexcept");
    static_assert(lock_policy<LockPolicy>, "pool: LockPolicy needs lock() and unlock(), and a default constructor");

    using state = pool_state<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>;

public:
    using key_type = Key;                                  ///< the parameter
    using connection_type = Conn;                          ///< the parameter
    using lock_type = LockPolicy;                          ///< the parameter
    using lease_type = lease<state>;                       ///< what `acquire` returns
    using time_point = typename ClockPolicy::time_point;   ///< what deadlines are

    static constexpr bool can_expire = ExpiryPolicy::can_expire;  ///< whether there are deadlines

    /// An empty pool. Throws what the policies' moves throw, and `std::bad_alloc`.
    explicit basic_pool(CapacityPolicy capacity = CapacityPolicy{}, ExpiryPolicy expiry = ExpiryPolicy{},
        pool_settings settings = {}, ClockPolicy clock = ClockPolicy{})
        : state_{new state{std::move(capacity), std::move(expiry), std::move(settings), std::move(clock)},
              &state::abandon} {}

    basic_pool(const basic_pool&) = delete;
    basic_pool& operator=(const basic_pool&) = delete;

    /// Closes what is idle. Leases and lazy connections may outlive the pool: what is given back later is closed.
    ~basic_pool() { state_->shut(nullptr); }

    /// Lends an idle connection of `key`, or dials one. `dial` is called as `Conn(const Key&)` or
    /// `Conn(const Key&, const dial_context&)`; it gets `limits` and may take its time, as nothing is locked.
    /// Throws what `dial` throws, unchanged, and `pool_closed`.
    template <class Dial>
    [[nodiscard]] lease_type acquire(key_view<Key> key, Dial&& dial, const dial_context& limits = {}) {
        expect_dialer<Dial, Key, Conn>();
        return {*state_, state_->acquire(lookup{key}, dial, limits)};
    }

    /// Lends an idle connection of `key`, or returns an empty lease.
    [[nodiscard]] lease_type try_acquire(key_view<Key> key) {
        auto* found = state_->lend(lookup{key});
        return found != nullptr ? lease_type{*state_, *found} : lease_type{};
    }

    /// Removes an idle connection of `key` from the pool. The caller closes it, or puts it back.
    [[nodiscard]] std::optional<Conn> take(key_view<Key> key) {
        static_assert(std::move_constructible<Conn>, "pool: take needs a Conn that can be moved");
        auto taken = state_->take(lookup{key});
        if (taken.empty()) return std::nullopt;
        try {
            return std::optional<Conn>{std::move(taken.front().conn)};
        } catch (...) {
            state_->close(taken);
            throw;
        }
    }

    /// Adds an idle connection. It is closed instead if there is no room or the pool is closed, and only dropped if it is
    /// `closed()` already. If this throws before `conn` is moved from, it is still the caller's; after that it is closed.
    void put(key_view<Key> key, Conn&& conn) {
        static_assert(std::move_constructible<Conn>, "pool: put needs a Conn that can be moved");
        const Key owned(key);  // the caller's may be a part of the connection
        const lookup wanted{owned};
        typename state::connections fresh;
        fresh.emplace_back([&conn]() -> Conn { return std::move(conn); });
        state_->put(wanted, fresh);
    }

    /// A connection that is not there yet: each call through it lends an idle one of `key` or dials, calls, and gives
    /// back. See `pooled_connection`.
    template <class Dial>
    [[nodiscard]] auto get(key_view<Key> key, Dial dial) {
        expect_dialer<Dial, Key, Conn>();
        return pooled_connection<state, Dial>{state_, Key(key), std::move(dial)};
    }

    /// Closes what is due. Returns how many. O(log n) for each, and for each that was lent since the last call.
    std::size_t expire() {
        static_assert(can_expire, "pool: expire needs an ExpiryPolicy that can expire, and this pool's cannot");
        return state_->expire();
    }

    /// When to call `expire()` next: nothing that is idle now or is given back from now on is due before.
    /// O(log n) for each connection that was lent since the last call.
    time_point next_expiry() const {
        static_assert(can_expire, "pool: next_expiry needs an ExpiryPolicy that can expire, and this pool's cannot");
        return state_->next_expiry();
    }

    /// Closes all idle connections, the oldest first. Returns how many.
    std::size_t clear() { return state_->clear(); }

    /// Closes all idle connections of one key, the oldest first. Returns how many.
    std::size_t clear(key_view<Key> key) { return state_->clear(lookup{key}); }

    /// Replaces the capacity policy, and evicts what is idle beyond it. Returns how many. O(n).
    std::size_t reconfigure(CapacityPolicy capacity) { return state_->reconfigure(capacity); }

    /// A snapshot of the pool's figures.
    pool::stats stats() const { return state_->stats(); }

    /// A snapshot of one key's figures: zero for one without connections.
    key_stats stats(key_view<Key> key) const { return state_->stats(lookup{key}); }

    /// Closes what is idle, and keeps nothing from now on: `acquire` throws `pool_closed`, and what is given back is
    /// closed. Does not wait for what is lent. Returns all that went wrong; a second call does nothing.
    close_errors close() {
        std::vector<std::exception_ptr> errors;
        state_->shut(&errors);
        return {name(), std::move(errors)};
    }

    const std::string& name() const noexcept { return state_->name(); }    ///< from the settings
    const ClockPolicy& clock() const noexcept { return state_->clock(); }  ///< what the pool reads

private:
    using lookup = typename state::lookup;

    std::shared_ptr<state> state_;
};

}  // namespace pool
