// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <stop_token>
#include <tuple>
#include <type_traits>
#include <utility>

#include <pool/call_site.hpp>
#include <pool/core/acquire_within.hpp>
#include <pool/core/blocking_acquire.hpp>
#include <pool/core/own_dial.hpp>
#include <pool/core/pool_states.hpp>
#include <pool/core/requirements.hpp>
#include <pool/dial.hpp>
#include <pool/error.hpp>
#include <pool/key.hpp>
#include <pool/lease.hpp>
#include <pool/settings.hpp>

/// @file
/// How a caller gets a lease.

namespace pool::core {

/// The base of the pools, as far as they lend. Each function finds the state of its key, and compiles to a call of that
/// state. `where` is the place of the call, which a pool keeps that traces its leases.
template <class State, std::size_t Shards, bool has_timeout>
class lending_pool : public pool_states<State, Shards> {
    using base = pool_states<State, Shards>;
    using Key = typename State::key_type;
    using Conn = typename State::connection_type;
    using hashed = typename State::hashed;

public:
    using lease_type = lease<State>;  ///< what `acquire` returns
    using typename base::time_point;

    /// Lends an idle connection of `key`, or dials one. `dial` is called as `Conn(const Key&)` or
    /// `Conn(const Key&, const dial_context&)`. It gets `context`. It may take long, because no lock is held.
    /// Throws what `dial` throws, unchanged, `pool_closed`, `pool_paused` and `acquire_invalidated`.
    ///
    /// A pool that bounds the open connections may wait, like the overload below, until the context's deadline or stop
    /// request. Then it also throws `acquire_timeout` and `acquire_cancelled`. It throws `queue_full` if it would have
    /// to wait and the wait queue is full, even without a context.
    template <dial_argument<time_point> Dial>
    [[nodiscard]] lease_type acquire(key_view<Key> key, Dial&& dial, const dial_context& context = {},
        const call_site& where = call_site::current()) {
        if constexpr (check_dial<Dial, Key, Conn>()) return hand_out(where, key, dial, context, timeout_);
        else return {};
    }

    /// The same, but it waits until a connection is free or may be dialled. It gives up at `deadline`, a time of the
    /// pool's clock, or when `stop` is requested. Both end only the wait, not a dial. The dial gets them as a
    /// `dial_context` (the deadline only if the clock has the time points of `std::chrono::steady_clock`, as
    /// `coarse_clock` has), and should obey them. Throws `acquire_timeout`, `acquire_cancelled` and `queue_full`, too.
    template <dial_argument<time_point> Dial>
    [[nodiscard]] lease_type acquire(key_view<Key> key, Dial&& dial, time_point deadline, std::stop_token stop = {},
        const call_site& where = call_site::current()) {
        if constexpr (check_limited_wait<State>() && check_dial<Dial, Key, Conn>() && check_lending<State>()) {
            dial_context context{.stop = std::move(stop)};
            if constexpr (std::same_as<time_point, decltype(context.deadline)>) context.deadline = deadline;
            const hashed key_with_hash{key};
            State& state = *this->of(key_with_hash);
            return {state, core::acquire(state, key_with_hash, dial, context, deadline), where};
        } else {
            return {};
        }
    }

    /// The same, until `timeout` from now, saturating. A timeout of zero or less has passed at once. The dial gets the
    /// deadline, whatever the clock.
    template <dial_argument<time_point> Dial, class Rep, class Period>
    [[nodiscard]] lease_type acquire(key_view<Key> key, Dial&& dial, std::chrono::duration<Rep, Period> timeout,
        std::stop_token stop = {}, const call_site& where = call_site::current()) {
        if constexpr (check_limited_wait<State>() && check_dial<Dial, Key, Conn>())
            return hand_out(where, key, dial, timeout, std::move(stop));
        else return {};
    }

    /// The same, without a deadline of its own.
    template <dial_argument<time_point> Dial>
    [[nodiscard]] lease_type acquire(key_view<Key> key, Dial&& dial, std::stop_token stop,
        const call_site& where = call_site::current()) {
        if constexpr (check_limited_wait<State>())
            return acquire(key, std::forward<Dial>(dial), dial_context{.stop = std::move(stop)}, where);
        else return {};
    }

    /// Lends an idle connection of `key`, or dials one with the dial of the pool. Throws `no_dial` if there is none,
    /// and otherwise as with a dial.
    [[nodiscard]] lease_type acquire(
        key_view<Key> key, const dial_context& context = {}, const call_site& where = call_site::current()) {
        return hand_out(where, key, own_dial_or_throw(), context, timeout_);
    }

    /// The same, with the limits that may follow a dial: a deadline or a timeout, a stop token, or both.
    template <is_time_limit<time_point> Limit>
    [[nodiscard]] lease_type acquire(
        key_view<Key> key, Limit&& limit, std::stop_token stop = {}, const call_site& where = call_site::current()) {
        constexpr bool is_of_this_clock =
            !is_time_point<std::remove_cvref_t<Limit>> || std::convertible_to<Limit, time_point>;
        static_assert(is_of_this_clock, "pool: a deadline must be a time of the pool's clock");
        if constexpr (is_of_this_clock)
            return acquire(key, own_dial_or_throw(), std::forward<Limit>(limit), std::move(stop), where);
        else return {};
    }
    template <call_limit<time_point> Limit>
        requires(!is_time_limit<Limit, time_point>)
    [[nodiscard]] lease_type acquire(
        key_view<Key> key, Limit&& limit, const call_site& where = call_site::current()) {
        return acquire(key, own_dial_or_throw(), std::forward<Limit>(limit), where);
    }

    /// Any of these, with `discard_unless_kept` as the last argument: the lease is given back only after
    /// `lease::keep`, for callers that do not use exceptions.
    template <discards Last>
    [[nodiscard]] lease_type acquire(key_view<Key> key, Last, const call_site& where = call_site::current()) {
        return unkept(acquire_at(where, key));
    }
    template <class A, discards Last>
    [[nodiscard]] lease_type acquire(
        key_view<Key> key, A&& a, Last, const call_site& where = call_site::current()) {
        return unkept(acquire_at(where, key, std::forward<A>(a)));
    }
    template <class A, class B, discards Last>
    [[nodiscard]] lease_type acquire(
        key_view<Key> key, A&& a, B&& b, Last, const call_site& where = call_site::current()) {
        return unkept(acquire_at(where, key, std::forward<A>(a), std::forward<B>(b)));
    }
    template <class A, class B, class C, discards Last>
    [[nodiscard]] lease_type acquire(
        key_view<Key> key, A&& a, B&& b, C&& c, Last, const call_site& where = call_site::current()) {
        return unkept(acquire_at(where, key, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c)));
    }

    /// Dials a connection of `key`, whatever is idle: for a call that is repeated because an idle connection has turned
    /// out to be dead. In a pool that bounds the open connections, it may have to wait, and a connection that it is
    /// lent meanwhile is closed, for its permit. That counts as a hit, too. Throws as `acquire`.
    template <dial_argument<time_point> Dial>
    [[nodiscard]] lease_type acquire_fresh(key_view<Key> key, Dial&& dial, const dial_context& context = {},
        const call_site& where = call_site::current()) {
        if constexpr (check_dial<Dial, Key, Conn>()) return hand_out<wanted::fresh>(where, key, dial, context, timeout_);
        else return {};
    }

    /// The same, until `timeout` from now.
    template <dial_argument<time_point> Dial, class Rep, class Period>
    [[nodiscard]] lease_type acquire_fresh(key_view<Key> key, Dial&& dial, std::chrono::duration<Rep, Period> timeout,
        std::stop_token stop = {}, const call_site& where = call_site::current()) {
        if constexpr (check_limited_wait<State>() && check_dial<Dial, Key, Conn>())
            return hand_out<wanted::fresh>(where, key, dial, timeout, std::move(stop));
        else return {};
    }

    /// The same, with the dial of the pool. Throws `no_dial` if there is none.
    [[nodiscard]] lease_type acquire_fresh(
        key_view<Key> key, const dial_context& context = {}, const call_site& where = call_site::current()) {
        return hand_out<wanted::fresh>(where, key, own_dial_or_throw(), context, timeout_);
    }

    /// Any of these, with `discard_unless_kept` as the last argument, as `acquire`.
    template <discards Last>
    [[nodiscard]] lease_type acquire_fresh(key_view<Key> key, Last, const call_site& where = call_site::current()) {
        return unkept(acquire_at<wanted::fresh>(where, key));
    }
    template <class A, discards Last>
    [[nodiscard]] lease_type acquire_fresh(
        key_view<Key> key, A&& a, Last, const call_site& where = call_site::current()) {
        return unkept(acquire_at<wanted::fresh>(where, key, std::forward<A>(a)));
    }
    template <class A, class B, discards Last>
    [[nodiscard]] lease_type acquire_fresh(
        key_view<Key> key, A&& a, B&& b, Last, const call_site& where = call_site::current()) {
        return unkept(acquire_at<wanted::fresh>(where, key, std::forward<A>(a), std::forward<B>(b)));
    }
    template <class A, class B, class C, discards Last>
    [[nodiscard]] lease_type acquire_fresh(
        key_view<Key> key, A&& a, B&& b, C&& c, Last, const call_site& where = call_site::current()) {
        return unkept(
            acquire_at<wanted::fresh>(where, key, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c)));
    }

    /// Lends an idle connection of `key`, or returns an empty lease.
    [[nodiscard]] lease_type try_acquire(key_view<Key> key, const call_site& where = call_site::current()) {
        (void)check_health_of<State>();
        const hashed key_with_hash{key};
        State& state = *this->of(key_with_hash);
        auto* const found = state.lend(key_with_hash);
        return found != nullptr ? lease_type{state, *found, where} : lease_type{};
    }

    /// The same. The lease is given back only after `lease::keep`.
    template <discards Last>
    [[nodiscard]] lease_type try_acquire(key_view<Key> key, Last, const call_site& where = call_site::current()) {
        return unkept(try_acquire(key, where));
    }

    /// @name Without a key
    /// @{

    /// In a pool of one peer, whose Key is `no_key`, the same operations without their first argument. A dial need not
    /// take a key, either.
    [[nodiscard]] lease_type acquire(const call_site& where = call_site::current())
        requires(is_keyless<Key>)
    {
        return acquire_at(where, no_key{});
    }
    template <not_a_place A>
        requires(is_keyless<Key, A>)
    [[nodiscard]] lease_type acquire(A&& a, const call_site& where = call_site::current()) {
        return acquire_at(where, no_key{}, std::forward<A>(a));
    }
    template <class A, not_a_place B>
        requires(is_keyless<Key, A>)
    [[nodiscard]] lease_type acquire(A&& a, B&& b, const call_site& where = call_site::current()) {
        return acquire_at(where, no_key{}, std::forward<A>(a), std::forward<B>(b));
    }
    template <class A, class B, not_a_place C>
        requires(is_keyless<Key, A>)
    [[nodiscard]] lease_type acquire(A&& a, B&& b, C&& c, const call_site& where = call_site::current()) {
        return acquire_at(where, no_key{}, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c));
    }
    template <class A, class B, class C, not_a_place D>
        requires(is_keyless<Key, A>)
    [[nodiscard]] lease_type acquire(A&& a, B&& b, C&& c, D&& d, const call_site& where = call_site::current()) {
        return acquire_at(
            where, no_key{}, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c), std::forward<D>(d));
    }
    [[nodiscard]] lease_type try_acquire(const call_site& where = call_site::current())
        requires(is_keyless<Key>)
    {
        return try_acquire(no_key{}, where);
    }
    template <discards Last>
        requires(is_keyless<Key>)
    [[nodiscard]] lease_type try_acquire(Last last, const call_site& where = call_site::current()) {
        return try_acquire(no_key{}, last, where);
    }
    [[nodiscard]] lease_type acquire_fresh(const call_site& where = call_site::current())
        requires(is_keyless<Key>)
    {
        return acquire_at<wanted::fresh>(where, no_key{});
    }
    template <not_a_place A>
        requires(is_keyless<Key, A>)
    [[nodiscard]] lease_type acquire_fresh(A&& a, const call_site& where = call_site::current()) {
        return acquire_at<wanted::fresh>(where, no_key{}, std::forward<A>(a));
    }
    template <class A, not_a_place B>
        requires(is_keyless<Key, A>)
    [[nodiscard]] lease_type acquire_fresh(A&& a, B&& b, const call_site& where = call_site::current()) {
        return acquire_at<wanted::fresh>(where, no_key{}, std::forward<A>(a), std::forward<B>(b));
    }
    template <class A, class B, not_a_place C>
        requires(is_keyless<Key, A>)
    [[nodiscard]] lease_type acquire_fresh(A&& a, B&& b, C&& c, const call_site& where = call_site::current()) {
        return acquire_at<wanted::fresh>(where, no_key{}, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c));
    }
    template <class A, class B, class C, not_a_place D>
        requires(is_keyless<Key, A>)
    [[nodiscard]] lease_type acquire_fresh(
        A&& a, B&& b, C&& c, D&& d, const call_site& where = call_site::current()) {
        return acquire_at<wanted::fresh>(
            where, no_key{}, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c), std::forward<D>(d));
    }
    /// @}

protected:
    using dial_type = own_dial<Key, Conn>;
    using timeout_type = default_timeout<has_timeout>;

    using base::base;
    ~lending_pool() = default;

    const dial_type& own_dial_or_throw() const {
        if (own_dial_) return own_dial_;
        throw no_dial{"pool \"" + this->name() + "\": a call without a dial, and the pool has none of its own"};
    }

    dial_type own_dial_;
    [[no_unique_address]] timeout_type timeout_;

private:
    friend pool_access;

    static lease_type unkept(lease_type lent) noexcept {
        lent.discard_unless_kept();
        return lent;
    }

    /// Any `acquire` or `acquire_fresh`, with the place of the call.
    template <wanted what = wanted::any, class... Args>
    lease_type acquire_at(const call_site& where, key_view<Key> key, Args&&... args) {
        const auto call = [&](auto&&... all) {
            if constexpr (what == wanted::fresh) return acquire_fresh(key, std::forward<decltype(all)>(all)..., where);
            else return acquire(key, std::forward<decltype(all)>(all)..., where);
        };
        if constexpr (sizeof...(Args) == 0) {
            return call(dial_context{});
        } else if constexpr (ends_in_discard_unless_kept<Args...>) {
            const auto rest = [&](auto&&... all) {
                return acquire_at<what>(where, key, std::forward<decltype(all)>(all)...);
            };
            return unkept(core::without_last(rest, std::forward<Args>(args)...));
        } else {
            using last = std::tuple_element_t<sizeof...(Args) - 1, std::tuple<Args...>>;
            if constexpr (is_time_limit<last, time_point>)
                return call(std::forward<Args>(args)..., std::stop_token{});
            else if constexpr (dial_argument<last, time_point>)
                return call(std::forward<Args>(args)..., dial_context{});
            else if constexpr (sizeof...(Args) == 1 && std::convertible_to<last, std::stop_token>)
                return call(own_dial_or_throw(), std::forward<Args>(args)...);
            else return call(std::forward<Args>(args)...);
        }
    }

    /// Lends an idle connection, or dials one, within these limits: for a caller that keeps the lease.
    template <wanted what = wanted::any, class Dial, class... Limits>
    lease_type hand_out(const call_site& where, key_view<Key> key, Dial& dial, Limits&&... limits) {
        if constexpr (check_lending<State, what == wanted::fresh>()) {
            const hashed key_with_hash{key};
            State& state = *this->of(key_with_hash);
            auto& lent = core::acquire_within<what>(state, key_with_hash, dial, std::forward<Limits>(limits)...);
            return {state, lent, where};
        } else {
            return {};
        }
    }
};

}  // namespace pool::core
