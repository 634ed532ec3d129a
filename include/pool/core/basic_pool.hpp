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
    static_assert(!declares_open_bounds<CapacityPolicy> || open_capacity_policy<CapacityPolicy, Key>,
        "pool: a CapacityPolicy that declares bounds_open needs max_open(), max_open_for(const Key&), "
        "max_dialing_for(const Key&) and max_waiting(), each std::size_t and const noexcept");
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
    using clock_type = ClockPolicy;                        ///< the parameter
    using state_type = state;                              ///< what it shares with its leases and lazy connections
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
        expect_turns();
        return {*state_, state_->acquire(lookup{key}, dial, limits)};
    }

    /// The same, and waits for its turn until `deadline`, which is one of the pool's clock, or until `stop` is requested.
    /// What bounds a dial under way is the dial's own affair: it gets both as a `dial_context`, the deadline if the clock
    /// is `std::chrono::steady_clock`. Throws `acquire_timeout`, `acquire_cancelled` and `too_many_waiters`, too.
    template <class Dial>
    [[nodiscard]] lease_type acquire(key_view<Key> key, Dial&& dial, time_point deadline, std::stop_token stop = {}) {
        expect_dialer<Dial, Key, Conn>();
        static_assert(state::bounds_open,
            "pool: acquire with a deadline or a stop_token needs a CapacityPolicy that bounds what is open, such as "
            "bounded_open: this pool never waits");
        expect_turns();
        dial_context limits{.stop = std::move(stop)};
        if constexpr (std::same_as<time_point, decltype(limits.deadline)>) limits.deadline = deadline;
        return {*state_, state_->acquire(lookup{key}, dial, limits, deadline)};
    }

    /// The same, without a deadline.
    template <class Dial>
    [[nodiscard]] lease_type acquire(key_view<Key> key, Dial&& dial, std::stop_token stop) {
        return acquire(key, std::forward<Dial>(dial), time_point::max(), std::move(stop));
    }

    /// Lends an idle connection of `key`, or returns an empty lease.
    [[nodiscard]] lease_type try_acquire(key_view<Key> key) {
        auto* found = state_->lend(lookup{key});
        return found != nullptr ? lease_type{*state_, *found} : lease_type{};
    }

    /// Removes an idle connection of `key` from the pool. The caller closes it, or puts it back.
    [[nodiscard]] std::optional<Conn> take(key_view<Key> key) {
        static_assert(std::move_constructible<Conn>, "pool: take needs a Conn that can be moved");
        return state_->take(lookup{key});
    }

    /// Adds an idle connection. It is closed instead if there is no room or the pool is closed, and only dropped if it is
    /// `closed()` already. If this throws, `conn` is still the caller's, as its move has left it.
    void put(key_view<Key> key, Conn&& conn) {
        static_assert(std::move_constructible<Conn>, "pool: put needs a Conn that can be moved");
        state_->put(lookup{key}, std::move(conn));
    }

    /// A connection that is not there yet: each call through it lends an idle one of `key` or dials, calls, and gives
    /// back. See `pooled_connection`.
    template <class Dial>
    [[nodiscard]] auto get(key_view<Key> key, Dial dial) {
        expect_dialer<Dial, Key, Conn>();
        expect_turns();
        return pooled_connection<state, Dial>{state_, Key(key), std::move(dial)};
    }

    /// Closes what is due. Returns how many. O(log n) for each, and for each that was lent since the last call. Like `clear`
    /// and `close`, it lets others in between, so that a large sweep keeps nobody waiting.
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

    /// Makes room in the index of keys: while there are no more connections than `count`, no operation stops to make it
    /// grow, which at a million takes tens of milliseconds. Throws `std::bad_alloc`, and has done nothing then.
    void reserve(std::size_t count) { state_->reserve(count); }

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

    /// Waits until nothing is lent, being dialled or being closed, or until `deadline`, which is one of the pool's clock.
    /// Returns how many still are. After `close()`, that is the end of all that the pool has opened. Not for a close or a
    /// dial to call, which it would wait for.
    std::size_t drain(time_point deadline) {
        static_assert(state::can_wait,
            "pool: drain waits, which only a pool can that has a lock and whose CapacityPolicy bounds what is open");
        return state_->drain(deadline);
    }

    const std::string& name() const noexcept { return state_->name(); }    ///< from the settings
    const ClockPolicy& clock() const noexcept { return state_->clock(); }  ///< what the pool reads

    /// For what may outlive the pool, and is built upon its steps: `pool::asio` is.
    const std::shared_ptr<state_type>& shared() const noexcept { return state_; }

private:
    using lookup = typename state::lookup;

    /// Refuses, in a plain sentence, to wait where nobody can.
    static constexpr void expect_turns() {
        static_assert(!state::bounds_open || state::can_wait,
            "pool: acquire and get may wait, and with this LockPolicy no thread could end the wait: use try_acquire or "
            "async_acquire");
    }

    std::shared_ptr<state> state_;
};

}  // namespace pool
