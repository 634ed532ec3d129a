// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <pool/core/blocking_acquire.hpp>
#include <pool/core/requirements.hpp>
#include <pool/dial.hpp>
#include <pool/error.hpp>
#include <pool/key.hpp>
#include <pool/lease.hpp>
#include <pool/pooled_connection.hpp>
#include <pool/stats.hpp>

/// @file
/// The operations of a pool. They are the same for one state and for several.

namespace pool::core {

/// The shard of a key with this hash. It uses the high bits of a multiplicative hash (Knuth, The Art of Computer
/// Programming, volume 3, 6.4: the golden ratio spreads even the hashes of integers, which are the integers), and maps
/// them to a shard by a multiplication (Lemire, Fast Random Integer Generation in an Interval, 2019). The index inside
/// a shard uses the remainder of a division by a prime, so the choice of the shard does not make that index less even.
template <std::size_t Shards>
constexpr std::size_t shard_of(std::size_t hash) noexcept {
    const std::uint64_t mixed = std::uint64_t{hash} * 0x9e37'79b9'7f4a'7c15;
    return static_cast<std::size_t>((mixed >> 32) * Shards >> 32);
}

struct pool_access;

/// The base of the pools: an array of states, of which the hash of a key chooses one. With one state there is no
/// choice, so no key is hashed for it, and each function compiles to a call of that state.
template <class State, std::size_t Shards>
class pool_facade {
    using Key = typename State::key_type;
    using Conn = typename State::connection_type;
    using ClockPolicy = typename State::clock_type;
    using hashed = typename State::hashed;
    using state_ptr = std::shared_ptr<State>;

public:
    using key_type = Key;                                 ///< the parameter
    using connection_type = Conn;                         ///< the parameter
    using clock_type = ClockPolicy;                       ///< the parameter
    using lease_type = lease<State>;                      ///< what `acquire` returns
    using time_point = typename ClockPolicy::time_point;  ///< the type of deadlines

    static constexpr bool can_expire = State::timed;  ///< whether anything expires

    pool_facade(const pool_facade&) = delete;
    pool_facade& operator=(const pool_facade&) = delete;

    /// Lends an idle connection of `key`, or dials one. `dial` is called as `Conn(const Key&)` or
    /// `Conn(const Key&, const dial_context&)`. It gets `context`. It may take long, because no lock is held.
    /// Throws what `dial` throws, unchanged, and `pool_closed`.
    ///
    /// A pool that bounds the open connections may wait, like the overload below, until the context's deadline or stop
    /// request. Then it also throws `acquire_timeout` and `acquire_cancelled`. It throws `queue_full` if it would have
    /// to wait and the wait queue is full, even without a context.
    template <class Dial>
    [[nodiscard]] lease_type acquire(key_view<Key> key, Dial&& dial, const dial_context& context = {}) {
        if constexpr (check_dial<Dial, Key, Conn>() && check_wait<State>()) {
            const hashed key_with_hash{key};
            State& state = *of(key_with_hash);
            return {state, core::acquire(state, key_with_hash, dial, context)};
        } else {
            return {};
        }
    }

    /// The same, but it waits until a connection is free or may be dialled. It gives up at `deadline`, a time of the
    /// pool's clock, or when `stop` is requested. Both end only the wait, not a dial. The dial gets them as a
    /// `dial_context` (the deadline only if the clock has the time points of `std::chrono::steady_clock`, as
    /// `coarse_clock` has), and should obey them. Throws `acquire_timeout`, `acquire_cancelled` and `queue_full`, too.
    template <class Dial>
    [[nodiscard]] lease_type acquire(key_view<Key> key, Dial&& dial, time_point deadline, std::stop_token stop = {}) {
        static_assert(State::bounds_open,
            "pool: acquire with a deadline or a stop_token needs a CapacityPolicy that bounds what is open, such as "
            "bounded_open: this pool never waits");
        if constexpr (State::bounds_open && check_dial<Dial, Key, Conn>() && check_wait<State>()) {
            dial_context context{.stop = std::move(stop)};
            if constexpr (std::same_as<time_point, decltype(context.deadline)>) context.deadline = deadline;
            const hashed key_with_hash{key};
            State& state = *of(key_with_hash);
            return {state, core::acquire(state, key_with_hash, dial, context, deadline)};
        } else {
            return {};
        }
    }

    /// The same, without a deadline.
    template <class Dial>
    [[nodiscard]] lease_type acquire(key_view<Key> key, Dial&& dial, std::stop_token stop) {
        return acquire(key, std::forward<Dial>(dial), time_point::max(), std::move(stop));
    }

    /// Lends an idle connection of `key`, or returns an empty lease.
    [[nodiscard]] lease_type try_acquire(key_view<Key> key) {
        const hashed key_with_hash{key};
        State& state = *of(key_with_hash);
        auto* const found = state.lend(key_with_hash);
        return found != nullptr ? lease_type{state, *found} : lease_type{};
    }

    /// Removes an idle connection of `key` from the pool. It then belongs to the caller, which must close it or put it
    /// back.
    [[nodiscard]] std::optional<Conn> take(key_view<Key> key) {
        static_assert(std::move_constructible<Conn>, "pool: take needs a Conn that can be moved");
        if constexpr (std::move_constructible<Conn>) {
            const hashed key_with_hash{key};
            return of(key_with_hash)->take(key_with_hash);
        } else {
            return {};
        }
    }

    /// Adds an idle connection. If there is no room, or the pool is closed, the pool closes it instead. If it is
    /// `closed()` already, the pool only destroys it. If this throws, `conn` still belongs to the caller, in the state
    /// in which its move left it.
    void put(key_view<Key> key, Conn&& conn) {
        static_assert(std::move_constructible<Conn>, "pool: put needs a Conn that can be moved");
        if constexpr (std::move_constructible<Conn>) {
            const hashed key_with_hash{key};
            of(key_with_hash)->put(key_with_hash, std::move(conn));
        }
    }

    /// A lazy connection: each call through it lends an idle connection of `key` or dials one, uses it, and gives it
    /// back. See `pooled_connection`.
    template <class Dial>
    [[nodiscard]] auto get(key_view<Key> key, Dial dial) {
        if constexpr (check_dial<Dial, Key, Conn>() && check_wait<State>()) {
            return pooled_connection<State, Dial>{of(key), Key(key), std::move(dial)};
        } else {
            return refused_pool{};
        }
    }

    /// Closes the expired connections. Returns how many. O(log n) for each of them, and for each connection that was
    /// lent since the last call. Like `clear` and `close`, it releases the lock in between, so that a large sweep does
    /// not make other threads wait for long.
    std::size_t expire() {
        static_assert(can_expire, "pool: expire needs an ExpiryPolicy that can expire, and this pool's cannot");
        if constexpr (can_expire) return sum([](State& state) { return state.expire(); });
        else return 0;
    }

    /// When to call `expire()` next: no connection, idle now or later, expires before this time. It is max() if no
    /// connection is idle and none would be kept.
    ///
    /// A thread that gives back reads the clock before it locks. If it is delayed in between, its connection may expire
    /// earlier than the time that this function returns meanwhile, by as much as the delay. An expired connection is
    /// never lent. But a thread that sleeps until the returned time closes it late, by as much. O(log n) for each
    /// connection that was lent since the last call.
    time_point next_expiry() const {
        static_assert(can_expire, "pool: next_expiry needs an ExpiryPolicy that can expire, and this pool's cannot");
        time_point earliest = time_point::max();
        if constexpr (can_expire) {
            for (const state_ptr& state : states_) earliest = std::min(earliest, state->next_expiry());
        }
        return earliest;
    }

    /// Closes all idle connections, the oldest first. Returns how many.
    std::size_t clear() {
        return sum([](State& state) { return state.clear(); });
    }

    /// Closes all idle connections of one key, the oldest first. Returns how many.
    std::size_t clear(key_view<Key> key) {
        const hashed key_with_hash{key};
        const state_ptr kept = of(key_with_hash);
        return kept->clear(key_with_hash);
    }

    /// A snapshot of the pool's figures.
    pool::stats stats() const {
        pool::stats all = states_.front()->stats();
        for (std::size_t i = 1; i < Shards; ++i) all += states_[i]->stats();
        return all;
    }

    /// A snapshot of one key's figures. All are zero for a key without connections.
    key_stats stats(key_view<Key> key) const {
        const hashed key_with_hash{key};
        return of(key_with_hash)->stats(key_with_hash);
    }

    /// Closes all idle connections. From now on, `acquire` throws `pool_closed`, and connections that are given back
    /// are closed. Does not wait for lent connections. Returns all errors of its closes. A second call does nothing.
    close_errors close() {
        std::vector<std::exception_ptr> errors;
        const std::array kept = states_;  // a close may destroy the pool
        close_all(kept, &errors);
        return {kept.front()->name(), std::move(errors)};
    }

    /// Waits until no connection is lent, being dialled or being closed, or until `deadline`, a time of the pool's
    /// clock. Returns how many are left. If it returns 0 after `close()`, every connection that the pool has opened is
    /// closed. Do not call it from a close or a dial: it would wait for itself.
    std::size_t drain(time_point deadline) {
        static_assert(State::can_wait,
            "pool: drain waits, which only a pool can that has a lock and whose CapacityPolicy bounds what is open");
        if constexpr (State::can_wait) return states_.front()->drain(deadline);
        else return 0;
    }

    const std::string& name() const noexcept { return states_.front()->name(); }    ///< from the settings
    const ClockPolicy& clock() const noexcept { return states_.front()->clock(); }  ///< what the pool reads

protected:
    /// An empty pool. `capacity_of(i)` is the capacity of state i.
    template <class CapacityOf, class ExpiryPolicy>
    pool_facade(const CapacityOf& capacity_of, ExpiryPolicy&& expiry, pool_settings&& settings, ClockPolicy&& clock) {
        if constexpr (Shards == 1) {
            states_[0] = share(new State{capacity_of(0), std::move(expiry), std::move(settings), std::move(clock)});
        } else {
            for (std::size_t i = 0; i < Shards; ++i)
                states_[i] = share(new State{capacity_of(i), expiry, settings, clock});
        }
    }

    /// Closes the idle connections. Leases and lazy connections may outlive the pool. A connection that is given back
    /// later is closed.
    ~pool_facade() { close_all(states_, nullptr); }

    /// The states. A close may destroy the pool, so a function that goes on after a close must first copy them.
    const std::array<state_ptr, Shards>& states() const noexcept { return states_; }

    /// Throws `std::length_error` if no memory could hold so many connections.
    static void check_room(std::size_t count) { State::store_type::check_room(count); }

    /// The sum of the results of `act(state)` for all states. It is right even if a close in `act` destroys the pool.
    template <class Act>
    std::size_t sum(const Act& act) const {
        std::size_t all = 0;
        const std::array kept = states_;
        for (const state_ptr& state : kept) all += act(*state);
        return all;
    }

private:
    friend pool_access;

    static state_ptr share(State* made) { return {made, &State::orphan}; }

    const state_ptr& of(const hashed& key) const noexcept {
        if constexpr (Shards == 1) return states_.front();
        else return states_[shard_of<Shards>(key.hash)];
    }
    const state_ptr& of(key_view<Key> key) const {
        if constexpr (Shards == 1) return states_.front();
        else return of(hashed{key});
    }

    static void close_all(
        const std::array<state_ptr, Shards>& states, std::vector<std::exception_ptr>* errors) noexcept {
        for (const state_ptr& state : states) state->close_all(errors);
    }

    std::array<state_ptr, Shards> states_;
};

/// The base of a pool of `Shards` states with valid parameters.
template <bool are_right, std::size_t Shards, class Key, class Conn, class CapacityPolicy, class ExpiryPolicy,
    class LockPolicy, class ClockPolicy>
struct facade_or_refusal {
    using type = pool_facade<state_for<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>, Shards>;
};
/// The base of a pool with invalid parameters.
template <std::size_t Shards, class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy,
    class ClockPolicy>
struct facade_or_refusal<false, Shards, Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy> {
    using type = refused_pool;
};
/// Selects one of these two bases.
template <bool are_right, std::size_t Shards, class... Parameters>
using facade_if = typename facade_or_refusal<are_right, Shards, Parameters...>::type;

/// Gives other parts of the library access to the state of a pool. They may share its ownership.
struct pool_access {
    /// The state of a pool; the first, if it has several.
    template <class State, std::size_t Shards>
    static const std::shared_ptr<State>& state(const pool_facade<State, Shards>& pool) noexcept {
        return pool.states_.front();
    }

    /// The type of the states of a pool.
    template <class Pool>
    using state_of = std::remove_cvref_t<decltype(*state(std::declval<const Pool&>()))>;
};

}  // namespace pool::core
