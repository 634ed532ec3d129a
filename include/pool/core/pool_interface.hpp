// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <exception>
#include <optional>
#include <stop_token>
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
/// What a caller can do with a pool, whether it is of one piece or of several.

namespace pool {

/// What a pool is made of. What does not fit is refused, in a plain sentence.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
struct pool_parameters {
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

    using key_type = Key;                  ///< the parameter
    using connection_type = Conn;          ///< the parameter
    using capacity_type = CapacityPolicy;  ///< the parameter
    using expiry_type = ExpiryPolicy;      ///< the parameter
    using lock_type = LockPolicy;          ///< the parameter
    using clock_type = ClockPolicy;        ///< the parameter
};

/// The base of the pools. `Parts` are `pool_parameters`, and have what the pool shares with its leases and lazy
/// connections: its states. They answer
/// - `of(wanted)`: the state of a key, as a reference to a `std::shared_ptr` of it;
/// - `sum(ask)`, `combine(ask, join)`: what `ask(state)` says of all states, added up, or joined by `join(all, next)`;
/// - `any()`: one of them, for what is the same in all;
///
/// and they divide a capacity policy among them, and what room is reserved: `reconfigure(capacity)`, `reserve(count)`.
template <class Parts>
class pool_interface {
    using Key = typename Parts::key_type;
    using Conn = typename Parts::connection_type;
    using CapacityPolicy = typename Parts::capacity_type;
    using ExpiryPolicy = typename Parts::expiry_type;
    using ClockPolicy = typename Parts::clock_type;

public:
    using key_type = Key;                                 ///< the parameter
    using connection_type = Conn;                         ///< the parameter
    using lock_type = typename Parts::lock_type;          ///< the parameter
    using clock_type = ClockPolicy;                       ///< the parameter
    using state_type = typename Parts::state_type;        ///< what it shares with its leases and lazy connections
    using lease_type = lease<state_type>;                 ///< what `acquire` returns
    using time_point = typename ClockPolicy::time_point;  ///< what deadlines are

    static constexpr bool can_expire = ExpiryPolicy::can_expire;  ///< whether there are deadlines

    pool_interface(const pool_interface&) = delete;
    pool_interface& operator=(const pool_interface&) = delete;

    /// Lends an idle connection of `key`, or dials one. `dial` is called as `Conn(const Key&)` or
    /// `Conn(const Key&, const dial_context&)`; it gets `limits` and may take its time, as nothing is locked.
    /// Throws what `dial` throws, unchanged, and `pool_closed`.
    template <class Dial>
    [[nodiscard]] lease_type acquire(key_view<Key> key, Dial&& dial, const dial_context& limits = {}) {
        expect_dialer<Dial, Key, Conn>();
        expect_turns();
        const lookup wanted{key};
        const auto& state = parts_.of(wanted);
        return {*state, state->acquire(wanted, dial, limits)};
    }

    /// The same, and waits for its turn until `deadline`, which is one of the pool's clock, or until `stop` is requested.
    /// What bounds a dial under way is the dial's own affair: it gets both as a `dial_context`, the deadline if the clock
    /// is `std::chrono::steady_clock`. Throws `acquire_timeout`, `acquire_cancelled` and `too_many_waiters`, too.
    template <class Dial>
    [[nodiscard]] lease_type acquire(key_view<Key> key, Dial&& dial, time_point deadline, std::stop_token stop = {}) {
        expect_dialer<Dial, Key, Conn>();
        static_assert(state_type::bounds_open,
            "pool: acquire with a deadline or a stop_token needs a CapacityPolicy that bounds what is open, such as "
            "bounded_open: this pool never waits");
        expect_turns();
        dial_context limits{.stop = std::move(stop)};
        if constexpr (std::same_as<time_point, decltype(limits.deadline)>) limits.deadline = deadline;
        const lookup wanted{key};
        const auto& state = parts_.of(wanted);
        return {*state, state->acquire(wanted, dial, limits, deadline)};
    }

    /// The same, without a deadline.
    template <class Dial>
    [[nodiscard]] lease_type acquire(key_view<Key> key, Dial&& dial, std::stop_token stop) {
        return acquire(key, std::forward<Dial>(dial), time_point::max(), std::move(stop));
    }

    /// Lends an idle connection of `key`, or returns an empty lease.
    [[nodiscard]] lease_type try_acquire(key_view<Key> key) {
        const lookup wanted{key};
        const auto& state = parts_.of(wanted);
        auto* found = state->lend(wanted);
        return found != nullptr ? lease_type{*state, *found} : lease_type{};
    }

    /// Removes an idle connection of `key` from the pool. The caller closes it, or puts it back.
    [[nodiscard]] std::optional<Conn> take(key_view<Key> key) {
        static_assert(std::move_constructible<Conn>, "pool: take needs a Conn that can be moved");
        const lookup wanted{key};
        return parts_.of(wanted)->take(wanted);
    }

    /// Adds an idle connection. It is closed instead if there is no room or the pool is closed, and only dropped if it is
    /// `closed()` already. If this throws, `conn` is still the caller's, as its move has left it.
    void put(key_view<Key> key, Conn&& conn) {
        static_assert(std::move_constructible<Conn>, "pool: put needs a Conn that can be moved");
        const lookup wanted{key};
        parts_.of(wanted)->put(wanted, std::move(conn));
    }

    /// A connection that is not there yet: each call through it lends an idle one of `key` or dials, calls, and gives
    /// back. See `pooled_connection`.
    template <class Dial>
    [[nodiscard]] auto get(key_view<Key> key, Dial dial) {
        expect_dialer<Dial, Key, Conn>();
        expect_turns();
        return pooled_connection<state_type, Dial>{parts_.of(key), Key(key), std::move(dial)};
    }

    /// Closes what is due. Returns how many. O(log n) for each, and for each that was lent since the last call. Like `clear`
    /// and `close`, it lets others in between, so that a large sweep keeps nobody waiting.
    std::size_t expire() {
        static_assert(can_expire, "pool: expire needs an ExpiryPolicy that can expire, and this pool's cannot");
        return kept().sum([](state_type& state) { return state.expire(); });
    }

    /// When to call `expire()` next: nothing that is idle now or is given back from now on is due before.
    /// O(log n) for each connection that was lent since the last call.
    time_point next_expiry() const {
        static_assert(can_expire, "pool: next_expiry needs an ExpiryPolicy that can expire, and this pool's cannot");
        return parts_.combine([](state_type& state) { return state.next_expiry(); },
            [](time_point& earliest, time_point other) { earliest = std::min(earliest, other); });
    }

    /// Closes all idle connections, the oldest first. Returns how many.
    std::size_t clear() {
        return kept().sum([](state_type& state) { return state.clear(); });
    }

    /// Closes all idle connections of one key, the oldest first. Returns how many.
    std::size_t clear(key_view<Key> key) {
        const lookup wanted{key};
        return kept().of(wanted)->clear(wanted);
    }

    /// Makes room in the index of keys: while there are no more connections than `count`, no operation stops to make it
    /// grow, which at a million takes tens of milliseconds. Throws `std::bad_alloc`.
    void reserve(std::size_t count) { parts_.reserve(count); }

    /// Replaces the capacity policy, and evicts what is idle beyond it. Returns how many. O(n).
    std::size_t reconfigure(CapacityPolicy capacity) { return kept().reconfigure(capacity); }

    /// A snapshot of the pool's figures.
    pool::stats stats() const {
        return parts_.sum([](const state_type& state) { return state.stats(); });
    }

    /// A snapshot of one key's figures: zero for one without connections.
    key_stats stats(key_view<Key> key) const {
        const lookup wanted{key};
        return parts_.of(wanted)->stats(wanted);
    }

    /// Closes what is idle, and keeps nothing from now on: `acquire` throws `pool_closed`, and what is given back is
    /// closed. Does not wait for what is lent. Returns all that went wrong; a second call does nothing.
    close_errors close() {
        std::vector<std::exception_ptr> errors;
        const Parts all = kept();
        shut(all, &errors);
        return {all.any()->name(), std::move(errors)};
    }

    /// Waits until nothing is lent, being dialled or being closed, or until `deadline`, which is one of the pool's clock.
    /// Returns how many still are. After `close()`, that is the end of all that the pool has opened. Not for a close or a
    /// dial to call, which it would wait for.
    std::size_t drain(time_point deadline) {
        static_assert(state_type::can_wait,
            "pool: drain waits, which only a pool can that has a lock and whose CapacityPolicy bounds what is open");
        return parts_.sum([deadline](state_type& state) { return state.drain(deadline); });
    }

    const std::string& name() const noexcept { return parts_.any()->name(); }    ///< from the settings
    const ClockPolicy& clock() const noexcept { return parts_.any()->clock(); }  ///< what the pool reads

protected:
    /// An empty pool.
    pool_interface(CapacityPolicy&& capacity, ExpiryPolicy&& expiry, pool_settings&& settings, ClockPolicy&& clock)
        : parts_{std::move(capacity), std::move(expiry), std::move(settings), std::move(clock)} {}

    /// Closes what is idle. Leases and lazy connections may outlive the pool: what is given back later is closed.
    ~pool_interface() { shut(parts_, nullptr); }

    /// The states.
    const Parts& parts() const noexcept { return parts_; }

private:
    using lookup = typename state_type::lookup;

    /// Refuses, in a plain sentence, to wait where nobody can.
    static constexpr void expect_turns() {
        static_assert(!state_type::bounds_open || state_type::can_wait,
            "pool: acquire and get may wait, and with this LockPolicy no thread could end the wait: use try_acquire or "
            "async_acquire");
    }

    /// For what goes on after a close, in which the pool may have gone.
    Parts kept() const { return parts_; }

    static void shut(const Parts& all, std::vector<std::exception_ptr>* errors) noexcept {
        all.each([errors](state_type& state) { state.shut(errors); });
    }

    Parts parts_;
};

}  // namespace pool
