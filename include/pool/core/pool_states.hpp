// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <pool/core/warmth.hpp>
#include <pool/error.hpp>
#include <pool/histogram.hpp>
#include <pool/key.hpp>
#include <pool/savings.hpp>
#include <pool/settings.hpp>
#include <pool/stats.hpp>

/// @file
/// The states of a pool, and the operations that concern all of them. They are the same for one state and for several.

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

/// An array of states, of which the hash of a key chooses one. With one state there is no choice, so no key is hashed
/// for it, and each function compiles to a call of that state.
template <class State, std::size_t Shards>
class pool_states {
    using Key = typename State::key_type;
    using ClockPolicy = typename State::clock_type;
    using hashed = typename State::hashed;

public:
    using time_point = typename ClockPolicy::time_point;  ///< the type of deadlines

    static constexpr bool can_expire = State::timed;         ///< whether anything expires
    static constexpr bool bounds_open = State::bounds_open;  ///< whether callers may wait

    pool_states(const pool_states&) = delete;
    pool_states& operator=(const pool_states&) = delete;

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

    /// Does all that is due: what `expire` and `look_again` do, the closes of idle connections that are dead,
    /// keep-alives, and the closes that look-ups have left. A reaper calls it. Returns how many connections have
    /// expired, but for those that expire in a keep-alive. O(n).
    std::size_t upkeep() {
        return sum([](State& state) {
            const std::size_t expired = state.upkeep();
            core::keep_up(state);
            return expired;
        });
    }

    /// When to call `upkeep` next: at `next_expiry()`, if connections can expire. A pool that bounds the open
    /// connections is not told when a blocked connection is unblocked. So this is at most a second from now, and 10
    /// milliseconds while a caller could take a blocked connection.
    time_point next_upkeep() const {
        time_point earliest = time_point::max();
        for (const state_ptr& state : states_) earliest = std::min(earliest, state->next_upkeep());
        return earliest;
    }

    /// Tells the pool that blocked connections may have been unblocked: those that callers could take are asked again.
    /// The owner of a connection may call it when a cancelled call has been wound up. Otherwise the next look-up of the
    /// key asks, or the next `upkeep`. In a pool that never waits there is nothing to do. O(n) in the blocked
    /// connections of those keys.
    void look_again() noexcept {
        const std::array kept = states_;
        for (const state_ptr& state : kept) state->look_again();
    }

    /// Closes all idle connections, the oldest first. Returns how many.
    std::size_t clear() {
        return sum([](State& state) { return state.clear(); });
    }

    /// Closes all idle connections of one key, the oldest first. Returns how many. Throws what Key's hash, copy and
    /// equality throw.
    std::size_t clear(key_view<Key> key) {
        const hashed key_with_hash{key};
        const state_ptr kept = of(key_with_hash);
        return kept->clear(key_with_hash);
    }

    /// Has everything opened anew. Closes all idle connections. From now on, no connection is lent that is open now: lent
    /// ones are closed when they come back. What is being dialled now is closed when the dial is done, and its caller
    /// dials again. So does a caller whose dial is interrupted, and fails. A caller that has made 16 such dials fails with
    /// `acquire_invalidated`. Returns how many idle connections were closed. O(1), besides these, but once in 254 times
    /// O(n).
    std::size_t invalidate(const invalidate_options& options = {}) {
        return sum([&](State& state) { return state.invalidate(options); });
    }

    /// The same for the connections of one key. Throws what Key's hash, copy and equality throw. If the equality throws in
    /// the middle, idle connections may be left, which are closed as soon as a look-up finds them.
    std::size_t invalidate(key_view<Key> key, const invalidate_options& options = {}) {
        const hashed key_with_hash{key};
        const state_ptr kept = of(key_with_hash);
        return kept->invalidate(key_with_hash, options);
    }

    /// From now on nothing is lent, dialled or kept up. Callers fail with `pool_paused`, those that wait, too.
    /// `try_acquire` and `take` find nothing. What is lent may be used and given back, and a dial that has begun goes
    /// on; its caller gets the connection. Idle connections expire as always. Does nothing if the pool is closed. O(1),
    /// and O(log n) for each caller that waits.
    void pause() noexcept {
        const std::array kept = states_;
        for (const state_ptr& state : kept) state->pause(false);
    }

    /// The same, but callers wait until `resume`, or until they give up. Only in a pool that bounds what is open: no other
    /// has a wait queue.
    void pause(wait_for_resume_t) noexcept {
        static_assert(bounds_open, "pool: callers can wait for resume only in a pool that bounds what is open");
        if constexpr (bounds_open) states_.front()->pause(true);
    }

    /// The end of a pause: callers that wait are served in their order. Without a pause it does nothing. O(1), and
    /// O(log n) for each caller that waits.
    void resume() noexcept {
        const std::array kept = states_;
        for (const state_ptr& state : kept) state->resume();
    }

    /// Whether the pool is paused. A closed pool is not. O(1).
    bool is_paused() const noexcept { return states_.front()->is_paused(); }

    /// In the child of a fork, forgets all connections of the parent, without a word to their peers, whatever other
    /// threads of the parent were doing. The figures are zero then, nothing is kept up by `min_idle`, and the pool and its
    /// lazy connections work on. Call it first, before anything else uses the pool in this process. Leases of the parent
    /// must not be used any more, but may be destroyed. See the manual on the correct order. It allocates: without memory,
    /// the program ends.
    ///
    /// If no thread of the parent was in the middle of a step, it calls `connection_traits::abandon` for each connection
    /// that was idle, lent, or retired and not closed yet, if Conn has that. A lock without a `try_lock` cannot tell, and
    /// then it never does. Nothing is destroyed, so the memory of the parent's connections is never freed.
    void abandon() noexcept {
        for (const state_ptr& state : states_) state->abandon();
    }

    /// A snapshot of the pool's figures.
    pool::stats stats() const {
        pool::stats all = states_.front()->stats();
        for (std::size_t i = 1; i < Shards; ++i) all += states_[i]->stats();
        return all;
    }

    /// How long waits, uses, dials and closes took, since the pool was made; none without the setting `histograms`. Copies 4
    /// KiB under the lock.
    std::optional<pool::histograms> histograms() const {
        std::optional<pool::histograms> all = states_.front()->histograms();
        for (std::size_t i = 1; all && i < Shards; ++i) *all += *states_[i]->histograms();
        return all;
    }

    /// What higher bounds would have saved, in a pool with the setting `ghosts`; in any other, nothing. An estimate: it
    /// assumes that callers come when they did, and have their connections for as long. A pool does not estimate what its
    /// bound on the weight costs. Throws `std::bad_alloc`.
    pool::savings savings() const {
        pool::savings all = states_.front()->savings();
        for (std::size_t i = 1; i < Shards; ++i) all += states_[i]->savings();
        return all;
    }

    /// A snapshot of one key's figures. All are zero for a key without connections.
    key_stats stats(key_view<Key> key) const {
        const hashed key_with_hash{key};
        return of(key_with_hash)->stats(key_with_hash);
    }

    /// Closes all idle connections. From now on, `acquire` throws `pool_closed`, and connections that are given back
    /// are closed. Does not wait for lent connections. Returns all errors of its closes. A second call does nothing.
    /// Throws `std::bad_alloc` if there is no memory for its result; the pool is closed then.
    close_errors close() {
        std::vector<std::exception_ptr> errors;
        const std::array kept = states_;  // a close may destroy the pool
        close_all(kept, &errors);
        return {kept.front()->name(), std::move(errors)};
    }

    /// Waits until no connection is lent, being dialled or being closed, or until `deadline`, a time of the pool's
    /// clock. Returns how many are left. If it returns 0 after `close()`, every connection that the pool has opened is
    /// closed. Do not call it from a close, a dial or an observer: it would wait for itself. While an observer is called, that
    /// counts as one more.
    std::size_t drain(time_point deadline) {
        static_assert(State::can_wait,
            "pool: drain waits, which only a pool can that has a lock and whose CapacityPolicy bounds what is open");
        if constexpr (State::can_wait) return states_.front()->drain(deadline);
        else return 0;
    }
    /// The same, for as long as `timeout`.
    template <class Rep, class Period>
    std::size_t drain(std::chrono::duration<Rep, Period> timeout) {
        return drain(saturating_add(clock().now(), timeout));
    }

    const std::string& name() const noexcept { return states_.front()->name(); }    ///< from the settings
    const ClockPolicy& clock() const noexcept { return states_.front()->clock(); }  ///< what the pool reads

protected:
    using state_ptr = std::shared_ptr<State>;

    /// An empty pool. `capacity_of(i)` is the capacity of state i.
    template <class CapacityOf, class ExpiryPolicy>
    pool_states(const CapacityOf& capacity_of, ExpiryPolicy&& expiry, pool_settings&& settings, ClockPolicy&& clock) {
        if constexpr (Shards == 1) {
            states_[0] = share(new State{capacity_of(0), std::move(expiry), std::move(settings), std::move(clock)});
        } else {
            for (std::size_t i = 0; i < Shards; ++i)
                states_[i] = share(new State{capacity_of(i), expiry, settings, clock});
        }
    }

    ~pool_states() = default;

    /// The end of the pool: closes the idle connections, and keeps none from now on. Closes and the observer may call the
    /// pool meanwhile, but the observer not after it.
    void finish() noexcept {
        close_all(states_, nullptr);
        for (const state_ptr& state : states_) state->fall_silent();
    }

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

    /// The state that has this key.
    const state_ptr& of(const hashed& key) const noexcept {
        if constexpr (Shards == 1) return states_.front();
        else return states_[shard_of<Shards>(key.hash)];
    }
    const state_ptr& of(key_view<Key> key) const {
        if constexpr (Shards == 1) return states_.front();
        else return of(hashed{key});
    }

private:
    friend pool_access;

    static state_ptr share(State* made) { return {made, &State::orphan}; }

    static void close_all(
        const std::array<state_ptr, Shards>& states, std::vector<std::exception_ptr>* errors) noexcept {
        for (const state_ptr& state : states) state->close_all(errors);
    }

    std::array<state_ptr, Shards> states_;
};

/// Gives other parts of the library access to the state of a pool. They may share its ownership.
struct pool_access {
    /// The state of a pool; the first, if it has several.
    template <class State, std::size_t Shards>
    static const std::shared_ptr<State>& state(const pool_states<State, Shards>& pool) noexcept {
        return pool.states_.front();
    }

    /// The state of a pool that has this key.
    template <class State, std::size_t Shards>
    static const std::shared_ptr<State>& state(
        const pool_states<State, Shards>& pool, const typename State::hashed& key) noexcept {
        return pool.of(key);
    }

    /// Calls `act(state)` for each state of a pool, and keeps them alive meanwhile.
    template <class State, std::size_t Shards, class Act>
    static void for_each_state(const pool_states<State, Shards>& pool, const Act& act) {
        const std::array kept = pool.states_;
        for (const std::shared_ptr<State>& state : kept) act(*state);
    }

    /// All states of a pool.
    template <class State, std::size_t Shards>
    static const std::array<std::shared_ptr<State>, Shards>& states(const pool_states<State, Shards>& pool) noexcept {
        return pool.states_;
    }

    /// The timeout of the calls of a pool that bring no deadline.
    template <class Pool>
    static auto timeout(const Pool& pool) noexcept {
        return pool.timeout_;
    }

    /// The type of the states of a pool.
    template <class Pool>
    using state_of = std::remove_cvref_t<decltype(*state(std::declval<const Pool&>()))>;
};

}  // namespace pool::core
