// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include <pool/call_site.hpp>
#include <pool/core/acquire_within.hpp>
#include <pool/core/blocking_acquire.hpp>
#include <pool/core/lending_pool.hpp>
#include <pool/core/refused.hpp>
#include <pool/core/requirements.hpp>
#include <pool/core/state_for.hpp>
#include <pool/dial.hpp>
#include <pool/error.hpp>
#include <pool/key.hpp>
#include <pool/lease.hpp>
#include <pool/pooled_connection.hpp>

/// @file
/// What a caller can do with the connections of a pool.

namespace pool::core {

/// The base of the pools. Each function finds the state of its key, and compiles to a call of that state.
template <class State, std::size_t Shards, bool has_timeout = false>
class pool_facade : public lending_pool<State, Shards, has_timeout> {
    using base = lending_pool<State, Shards, has_timeout>;
    using Key = typename State::key_type;
    using Conn = typename State::connection_type;
    using ClockPolicy = typename State::clock_type;
    using hashed = typename State::hashed;

public:
    using key_type = Key;                                 ///< the parameter
    using connection_type = Conn;                         ///< the parameter
    using clock_type = ClockPolicy;                       ///< the parameter
    using typename base::lease_type;                      ///< what `acquire` returns
    using typename base::time_point;                      ///< the type of deadlines

    /// Removes an idle connection of `key` from the pool. It then belongs to the caller, which must close it or put it
    /// back.
    [[nodiscard]] std::optional<Conn> take(key_view<Key> key) {
        static_assert(std::move_constructible<Conn>, "pool: take needs a Conn that can be moved");
        if constexpr (std::move_constructible<Conn> && check_health_of<State>()) {
            const hashed key_with_hash{key};
            return this->of(key_with_hash)->take(key_with_hash);
        } else {
            return {};
        }
    }

    /// Adds an idle connection. If there is no room, or the pool is closed, or the connection is `closed()`, the pool
    /// closes it instead. If this throws, `conn` still belongs to the caller, in the state in which its move left it.
    void put(key_view<Key> key, Conn&& conn) {
        static_assert(std::move_constructible<Conn>, "pool: put needs a Conn that can be moved");
        if constexpr (std::move_constructible<Conn>) {
            const hashed key_with_hash{key};
            this->of(key_with_hash)->put(key_with_hash, std::move(conn));
        }
    }

    /// Dials connections of `key`, which become idle, until `count` of them are open: idle, lent or being dialled. Stops at
    /// a bound of the pool, at the first dial that fails, and at the end of the context. Makes no room by closing others,
    /// and takes no permit that somebody waits for. Stops, too, after a connection that the pool does not keep, because it
    /// has expired, or is too heavy for what others leave of the bound: that one is closed, and is not counted as opened.
    /// Throws `std::bad_alloc`, and what Key's hash and copy throw.
    template <dial_argument<time_point> Dial>
    prewarmed prewarm(key_view<Key> key, std::size_t count, Dial&& dial, const dial_context& context = {}) {
        if constexpr (check_dial<Dial, Key, Conn>()) {
            const Key own(key);  // a dial may destroy what `key` refers to
            const hashed key_with_hash{key_view<Key>(own)};
            const auto state = this->of(key_with_hash);
            return core::open_ahead(*state, key_with_hash, {count, true}, dial, context);
        } else {
            return {};
        }
    }

    /// The same, with the dial of the pool. Throws `no_dial` if there is none.
    prewarmed prewarm(key_view<Key> key, std::size_t count, const dial_context& context = {}) {
        return prewarm(key, count, own_dial_or_throw(), context);
    }

    /// From now on, each `upkeep` dials idle connections of `key` until there are `count`, within the bounds of the pool.
    /// A reaper, such as that of a ready-made pool, calls it at least every second then. It waits for the dials meanwhile,
    /// so these should have a deadline of their own, see `timed`. Each upkeep stops where `prewarm` would, and the next one
    /// tries again. A second call for the same key replaces the first; a `count` of 0 ends it. Throws `std::bad_alloc`, and
    /// what Key's hash and copy, and the dial's move throw.
    template <dial_argument<time_point> Dial>
    void min_idle(key_view<Key> key, std::size_t count, Dial dial) {
        if constexpr (check_dial<Dial, Key, Conn>()) {
            const hashed key_with_hash{key};
            this->of(key_with_hash)->keep_up(key_with_hash, count, dial_type{std::move(dial)});
        }
    }

    /// The same, with the dial of the pool. Throws `no_dial` if there is none.
    void min_idle(key_view<Key> key, std::size_t count) {
        const hashed key_with_hash{key};
        this->of(key_with_hash)->keep_up(key_with_hash, count, own_dial_or_throw());
    }

    /// A lazy connection: each call through it lends an idle connection of `key` or dials one, uses it, and gives it
    /// back. See `pooled_connection`.
    template <class Dial>
    [[nodiscard]] auto get(key_view<Key> key, Dial dial) {
        if constexpr (check_dial<Dial, Key, Conn>() && check_lending<State>()) {
            return pooled_connection<State, Dial, timeout_type>{this->of(key), Key(key), std::move(dial), timeout_};
        } else {
            return refused_pool{};
        }
    }

    /// The same, with the dial of the pool, which it keeps alive. Throws `no_dial` if there is none.
    [[nodiscard]] auto get(key_view<Key> key) { return get(key, own_dial_or_throw()); }

    /// Lends a connection as `acquire(key)`, calls `f(conn)`, gives the connection back, and returns the result. As a
    /// call of `get(key).invoke(f)`, but it copies no key. `f` may take the lease instead, and then has to keep it.
    /// `where` is the place of the call, as of `acquire`.
    template <call_function<State> F>
    decltype(auto) invoke(key_view<Key> key, F&& f, const call_site& where = call_site::current()) {
        return invoke(key, dial_context{}, std::forward<F>(f), where);
    }

    /// The same, with a context for the dial and the wait.
    template <call_function<State> F>
    decltype(auto) invoke(
        key_view<Key> key, const dial_context& context, F&& f, const call_site& where = call_site::current()) {
        return core::invoke_on<State>(
            [&] { return lend(where, key, own_dial_or_throw(), context, timeout_); }, std::forward<F>(f));
    }

    /// The same, within a time from now: the deadline of the dial's context and, in a pool that bounds the open
    /// connections, of the wait.
    template <class Rep, class Period, call_function<State> F>
    decltype(auto) invoke(key_view<Key> key, std::chrono::duration<Rep, Period> timeout, F&& f,
        const call_site& where = call_site::current()) {
        return core::invoke_on<State>(
            [&] { return lend(where, key, own_dial_or_throw(), timeout); }, std::forward<F>(f));
    }

    /// Refuses a call without a function.
    template <class... Args>
        requires(!ends_in_call<State, Args...>)
    auto invoke(Args&&...) {
        static_assert(
            ends_in_call<State, Args...>, "pool: the last argument of invoke must be a function that takes a Conn& or its lease");
        return refused_result{};
    }

    /// @name Without a key
    /// @{

    /// In a pool of one peer, whose Key is `no_key`, the same operations without their first argument.
    template <class... Args>
        requires(is_keyless<Key>)
    prewarmed prewarm(std::size_t count, Args&&... args) {
        return prewarm(no_key{}, count, std::forward<Args>(args)...);
    }
    template <class... Dial>
        requires(is_keyless<Key>)
    void min_idle(std::size_t count, Dial&&... dial) {
        min_idle(no_key{}, count, std::forward<Dial>(dial)...);
    }
    [[nodiscard]] std::optional<Conn> take()
        requires(is_keyless<Key>)
    {
        return take(no_key{});
    }
    void put(Conn&& conn)
        requires(is_keyless<Key>)
    {
        put(no_key{}, std::move(conn));
    }
    template <class... Dial>
        requires(is_keyless<Key, Dial...>)
    [[nodiscard]] auto get(Dial&&... dial) {
        return get(no_key{}, std::forward<Dial>(dial)...);
    }
    template <call_function<State> F>
        requires(is_keyless<Key>)
    decltype(auto) invoke(F&& f, const call_site& where = call_site::current()) {
        return invoke(no_key{}, std::forward<F>(f), where);
    }
    template <class Limit, call_function<State> F>
        requires(is_keyless<Key, Limit>)
    decltype(auto) invoke(Limit&& limit, F&& f, const call_site& where = call_site::current()) {
        return invoke(no_key{}, std::forward<Limit>(limit), std::forward<F>(f), where);
    }
    /// @}

protected:
    using typename base::dial_type;
    using typename base::timeout_type;
    using base::base;
    using base::own_dial_or_throw;

    /// Closes the idle connections. Leases and lazy connections may outlive the pool. A connection that is given back
    /// later is closed.
    ~pool_facade() { this->finish(); }

    /// From now on, calls that bring no dial use this one.
    template <class Dial>
    void own(Dial&& dial) {
        if constexpr (check_dial<std::decay_t<Dial>, Key, Conn>()) own_dial_ = dial_type{std::forward<Dial>(dial)};
    }

    /// From now on, calls that bring no deadline have this one.
    void limit_waits(std::chrono::nanoseconds timeout) noexcept
        requires has_timeout
    {
        timeout_.value = timeout;
    }

private:
    friend pool_access;
    using base::own_dial_;
    using base::timeout_;

    /// Lends an idle connection, or dials one, within these limits: for a call.
    template <wanted what = wanted::any, class Dial, class... Limits>
    lease_type lend(const call_site& where, key_view<Key> key, Dial& dial, Limits&&... limits) {
        if constexpr (check_lending<State, what == wanted::fresh>()) {
            const hashed key_with_hash{key};
            State& state = *this->of(key_with_hash);
            auto& lent = core::acquire_within<what>(state, key_with_hash, dial, std::forward<Limits>(limits)...);
            return {state, lent, where, lent_to::call};
        } else {
            return {};
        }
    }

};

/// The base of a pool of `Shards` states with valid parameters.
template <bool are_right, std::size_t Shards, class Key, class Conn, class CapacityPolicy, class ExpiryPolicy,
    class LockPolicy, class ClockPolicy>
struct facade_or_refusal {
    using type = pool_facade<state_for<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>, Shards,
        declares_timeout<CapacityPolicy>>;
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

}  // namespace pool::core
