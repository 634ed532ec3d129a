// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cassert>
#include <chrono>
#include <concepts>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <pool/call_site.hpp>
#include <pool/core/acquire_errors.hpp>
#include <pool/core/acquire_within.hpp>
#include <pool/core/pointee.hpp>
#include <pool/core/refers_to.hpp>
#include <pool/core/refused.hpp>
#include <pool/core/runs_later.hpp>
#include <pool/dial.hpp>
#include <pool/error.hpp>
#include <pool/lease.hpp>
#include <pool/retry_stale.hpp>
#include <pool/stream.hpp>

/// @file
/// The lazy connection that `get` returns.

namespace pool {

/// Whether a result that coroutines can await is computed all the same, as that of an `expected` is. Specialise it as
/// true for such a type, so that `invoke` may return it.
template <class Result>
inline constexpr bool is_finished = false;

template <class State, class Dial, class Timeout = core::default_timeout<false>>
class pooled_connection;

namespace core {

/// A reference to Conn or to what it points at, or a pointer to one of them. Any other pointer may be to something of
/// the caller's.
template <class Result, class Conn>
inline constexpr bool refers_to_connection =
    refers_to<std::remove_cv_t<Result>, Conn> ||
    refers_to<std::remove_cv_t<Result>, std::remove_reference_t<decltype(core::pointee(std::declval<Conn&>()))>>;

/// Does not compile for a result of `invoke` that must not outlive the lease.
template <class Result, class Conn>
consteval bool check_result() {
    constexpr bool refers = refers_to_connection<Result, Conn>;
    static_assert(!refers,
        "pool: invoke must not return a reference: the connection is with the pool again by then. Return a value");
    constexpr bool is_unfinished = runs_later<Result> && !is_finished<Result>;
    static_assert(!is_unfinished,
        "pool: invoke gives the connection back when the function returns, and a future or a coroutine runs later. "
        "Take pool::asio::async_invoke for a coroutine of Asio, or keep a lease until the work is done");
    return !refers && !is_unfinished;
}

/// Calls `f(conn)` on the connection of the lease that `lend()` returns. If that throws on a reused connection, and
/// `retry` allows it, calls it once more, on the connection of the lease that `lend_fresh()` returns.
template <class State, class IsSafe, class Lend, class LendFresh, class F>
decltype(auto) invoke_twice(const retry_stale<IsSafe>& retry, const Lend& lend, const LendFresh& lend_fresh, F& f) {
    using result = std::invoke_result_t<F&, typename State::connection_type&>;
    if constexpr (!check_result<result, typename State::connection_type>()) {
        return core::refused<result>();
    } else {
        {
            lease<State> lent = lend();
            if (!lent.reused()) return std::invoke(f, *lent);
            try {
                return std::invoke(f, *lent);
            } catch (...) {
                if (!retry.allows_current()) throw;
            }
            lent.discard();
        }
        const lease<State> lent = lend_fresh();
        return std::invoke(f, *lent);
    }
}

/// A function that can be called with a connection.
template <class F, class State>
concept takes_connection = std::invocable<F, typename State::connection_type&>;

/// The function of a call: it takes the connection, or its lease.
template <class F, class State>
concept call_function = takes_connection<F, State> || std::invocable<F, lease<State>&>;

/// Whether the last argument of a call is such a function. The place of the call may follow it.
template <class State, class... Args>
inline constexpr bool ends_in_call = false;
template <class State, class First, class... More>
inline constexpr bool ends_in_call<State, First, More...> = ends_in_call<State, More...>;  ///< the last one counts
template <class State, class Last>
inline constexpr bool ends_in_call<State, Last> = call_function<Last, State>;  ///< the last one
template <class State, class Last, class Place>
    requires(!not_a_place<Place>)
inline constexpr bool ends_in_call<State, Last, Place> = call_function<Last, State>;  ///< the last one but the place

/// The result of such a function.
template <class State, class F>
struct call_result : std::invoke_result<F, lease<State>&> {};
template <class State, takes_connection<State> F>
struct call_result<State, F> : std::invoke_result<F, typename State::connection_type&> {};

/// Calls `f(conn)` on the connection of the lease that `lend()` returns. A function that takes the lease has to keep
/// it.
template <class State, class Lend, class F>
decltype(auto) invoke_on(const Lend& lend, F&& f) {
    using result = typename call_result<State, F>::type;
    if constexpr (!check_result<result, typename State::connection_type>()) {
        return core::refused<result>();
    } else {
        lease<State> lent = lend();
        if constexpr (takes_connection<F, State>) {
            return std::invoke(std::forward<F>(f), *lent);
        } else {
            lent.discard_unless_kept();
            return std::invoke(std::forward<F>(f), lent);
        }
    }
}

/// Whether C is a lazy connection itself.
template <class C>
inline constexpr bool is_lazy_connection = false;
template <class State, class Dial, class Timeout>
inline constexpr bool is_lazy_connection<pooled_connection<State, Dial, Timeout>> = true;  ///< of any pool

}  // namespace core

/// Represents the connections of one key. Each call lends an idle connection or dials one, uses it, and gives it back.
/// So concurrent calls use different connections. A pooled_connection is itself a connection: code for a connection
/// works with it, and a pool can hold pooled_connections.
///
/// Several threads may make calls at the same time, if `dial` allows that. Moving it is not thread-safe. It may outlive
/// its pool: a call then throws `pool_closed`.
template <class State, class Dial, class Timeout>
class pooled_connection {
    using key_type = typename State::key_type;
    using conn_type = typename State::connection_type;
    using lease_type = lease<State>;

public:
    /// For the pool: `get` makes it.
    pooled_connection(std::shared_ptr<State> state, key_type key, Dial dial, Timeout timeout = {})
        : state_{std::move(state)}, key_{std::move(key)}, dial_{std::move(dial)}, timeout_{timeout} {}

    /// Afterwards, `other` may only be destroyed.
    pooled_connection(pooled_connection&& other)
        : state_{std::move(other.state_)},
          key_{std::move(other.key_)},
          dial_{std::move(other.dial_)},
          timeout_{other.timeout_},
          closed_{other.closed_.load()} {}

    /// Calls `f(conn)` on a connection, gives the connection back, and returns the result. If `f` throws, the
    /// connection is closed, unless it is `reusable`. Throws what `f` and `dial` throw, `pool_closed`, and
    /// `connection_closed`. In a pool that bounds the open connections, it also throws `queue_full` and, with a
    /// context or a timeout, `acquire_timeout` and `acquire_cancelled`.
    ///
    /// `f` may take the lease instead, `f(lease&)`: it is given back only if `f` has called `keep()`. So a function
    /// that reports a failure by its result leaves no connection in the pool that may be in the middle of a call.
    ///
    /// The result must not refer to the connection: when `invoke` returns, the connection may be closed or lent again.
    /// References do not compile. Neither do results that stand for unfinished work, such as a future or an awaitable.
    ///
    /// `where` is the place of the call, which a pool keeps that traces its leases.
    template <core::call_function<State> F>
    decltype(auto) invoke(F&& f, const call_site& where = call_site::current()) {
        return invoke(dial_context{}, std::forward<F>(f), where);
    }

    /// The same, with a context for the dial and the wait.
    template <core::call_function<State> F>
    decltype(auto) invoke(dial_context context, F&& f, const call_site& where = call_site::current()) {
        return core::invoke_on<State>([&] { return lend(where, context, timeout_); }, std::forward<F>(f));
    }

    /// The same, within a time from now. In a pool that bounds the open connections, this limits the wait, on the
    /// pool's clock. The dial gets it as the deadline of its context, in every pool.
    template <class Rep, class Period, core::call_function<State> F>
    decltype(auto) invoke(
        std::chrono::duration<Rep, Period> timeout, F&& f, const call_site& where = call_site::current()) {
        return core::invoke_on<State>([&] { return lend(where, timeout); }, std::forward<F>(f));
    }

    /// Calls `f(conn)` as `invoke(f)`. If it throws on a connection that was idle before, and `retry` allows it, calls
    /// it once more, on a connection that is dialled for that. See `retry_stale`.
    template <class IsSafe, std::invocable<conn_type&> F>
    decltype(auto) invoke(retry_stale<IsSafe> retry, F&& f, const call_site& where = call_site::current()) {
        return invoke(std::move(retry), dial_context{}, std::forward<F>(f), where);
    }

    /// The same, with a context for the dials and the waits.
    template <class IsSafe, std::invocable<conn_type&> F>
    decltype(auto) invoke(
        retry_stale<IsSafe> retry, dial_context context, F&& f, const call_site& where = call_site::current()) {
        return core::invoke_twice<State>(
            retry, [&] { return lend(where, context, timeout_); },
            [&] { return lend<core::wanted::fresh>(where, context, timeout_); }, f);
    }

    /// Calls the connection's own member `invoke` with these arguments. With more than four of them, the lease is traced
    /// without a place.
    template <class C = conn_type>
    decltype(auto) invoke(const call_site& where = call_site::current()) {
        return invoke_own(where);
    }
    /// The same.
    template <core::not_a_place A>
        requires(!core::call_function<A, State>)
    decltype(auto) invoke(A&& a, const call_site& where = call_site::current()) {
        return invoke_own(where, std::forward<A>(a));
    }
    /// The same.
    template <class A, core::not_a_place B>
    decltype(auto) invoke(A&& a, B&& b, const call_site& where = call_site::current()) {
        return invoke_own(where, std::forward<A>(a), std::forward<B>(b));
    }
    /// The same.
    template <class A, class B, core::not_a_place C>
    decltype(auto) invoke(A&& a, B&& b, C&& c, const call_site& where = call_site::current()) {
        return invoke_own(where, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c));
    }
    /// The same.
    template <class A, class B, class C, core::not_a_place D>
    decltype(auto) invoke(A&& a, B&& b, C&& c, D&& d, const call_site& where = call_site::current()) {
        return invoke_own(where, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c), std::forward<D>(d));
    }
    /// The same.
    template <class A, class B, class C, class D, core::not_a_place E, class... More>
    decltype(auto) invoke(A&& a, B&& b, C&& c, D&& d, E&& e, More&&... more) {
        return invoke_own(call_site{}, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c), std::forward<D>(d),
            std::forward<E>(e), std::forward<More>(more)...);
    }

    /// Calls `f(conn)`, which returns a stream. The connection stays lent until the stream is done. See
    /// `pooled_stream`. Throws as `invoke`.
    template <std::invocable<conn_type&> F>
    [[nodiscard]] auto open_stream(F&& f, const call_site& where = call_site::current()) {
        return open_stream(dial_context{}, std::forward<F>(f), where);
    }

    /// The same, with a context for the dial and the wait.
    template <std::invocable<conn_type&> F>
    [[nodiscard]] auto open_stream(dial_context context, F&& f, const call_site& where = call_site::current()) {
        return open_on<F>([&] { return lend(where, context, timeout_); }, std::forward<F>(f));
    }

    /// The same, within a time from now, as `invoke`.
    template <class Rep, class Period, std::invocable<conn_type&> F>
    [[nodiscard]] auto open_stream(
        std::chrono::duration<Rep, Period> timeout, F&& f, const call_site& where = call_site::current()) {
        return open_on<F>([&] { return lend(where, timeout); }, std::forward<F>(f));
    }

    /// Calls the connection's own member `new_stream` with these arguments, and returns its stream. With more than four of
    /// them, the lease is traced without a place.
    template <class C = conn_type>
    [[nodiscard]] auto new_stream(const call_site& where = call_site::current()) {
        return own_stream(where);
    }
    /// The same.
    template <core::not_a_place A>
    [[nodiscard]] auto new_stream(A&& a, const call_site& where = call_site::current()) {
        return own_stream(where, std::forward<A>(a));
    }
    /// The same.
    template <class A, core::not_a_place B>
    [[nodiscard]] auto new_stream(A&& a, B&& b, const call_site& where = call_site::current()) {
        return own_stream(where, std::forward<A>(a), std::forward<B>(b));
    }
    /// The same.
    template <class A, class B, core::not_a_place C>
    [[nodiscard]] auto new_stream(A&& a, B&& b, C&& c, const call_site& where = call_site::current()) {
        return own_stream(where, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c));
    }
    /// The same.
    template <class A, class B, class C, core::not_a_place D>
    [[nodiscard]] auto new_stream(A&& a, B&& b, C&& c, D&& d, const call_site& where = call_site::current()) {
        return own_stream(where, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c), std::forward<D>(d));
    }
    /// The same.
    template <class A, class B, class C, class D, core::not_a_place E, class... More>
    [[nodiscard]] auto new_stream(A&& a, B&& b, C&& c, D&& d, E&& e, More&&... more) {
        return own_stream(call_site{}, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c), std::forward<D>(d),
            std::forward<E>(e), std::forward<More>(more)...);
    }

    /// Closes only this object: its calls throw `connection_closed` from now on. The connections stay in the pool.
    void close() noexcept { closed_ = true; }
    bool closed() const noexcept { return closed_; }  ///< whether `close` was called

    /// Always true: a call that meets a blocked connection uses another one.
    bool unblocked() const noexcept { return true; }

    /// Always true: after a failed call, the next call uses another connection.
    bool reusable() const noexcept { return true; }

    /// The key of its connections.
    const key_type& key() const noexcept { return key_; }

private:
    template <class C, class... Args>
    static constexpr bool forwards_invoke =
        requires(C& c, Args&&... args) { core::pointee(c).invoke(std::forward<Args>(args)...); };
    template <class C, class... Args>
    static constexpr bool forwards_new_stream =
        requires(C& c, Args&&... args) { core::pointee(c).new_stream(std::forward<Args>(args)...); };

    /// Whether the connection is lazy itself. It then gets the place of the call, which would be in this file otherwise.
    template <class... Args>
    static constexpr bool passes_place =
        core::is_lazy_connection<std::remove_cvref_t<decltype(core::pointee(std::declval<conn_type&>()))>> &&
        sizeof...(Args) <= 4;

    /// Conn's own invoke may need a place itself, which is the last argument then.
    template <class... Args>
    static consteval bool invoke_needs_place() {
        if constexpr (forwards_invoke<conn_type, Args...>) return false;
        else return forwards_invoke<conn_type, Args..., const call_site&>;
    }
    template <class... Args>
    static consteval bool stream_needs_place() {
        if constexpr (forwards_new_stream<conn_type, Args...>) return false;
        else return forwards_new_stream<conn_type, Args..., const call_site&>;
    }

    template <class... Args>
    decltype(auto) invoke_own(const call_site& where, Args&&... args) {
        constexpr bool needs_place = invoke_needs_place<Args...>();
        static_assert(forwards_invoke<conn_type, Args...> || needs_place,
            "pool: invoke needs a function that takes a Conn& or its lease, or the arguments of Conn's own invoke");
        if constexpr (forwards_invoke<conn_type, Args...> || needs_place) {
            const auto call = [&](conn_type& c) -> decltype(auto) {
                if constexpr (passes_place<Args...> || needs_place)
                    return core::pointee(c).invoke(std::forward<Args>(args)..., where);
                else return core::pointee(c).invoke(std::forward<Args>(args)...);
            };
            return invoke(call, where);
        } else {
            return core::refused_result{};
        }
    }

    template <class... Args>
    auto own_stream(const call_site& where, Args&&... args) {
        constexpr bool needs_place = stream_needs_place<Args...>();
        static_assert(forwards_new_stream<conn_type, Args...> || needs_place,
            "pool: new_stream needs the arguments of Conn's own new_stream");
        if constexpr (forwards_new_stream<conn_type, Args...> || needs_place) {
            const auto open = [&](conn_type& c) {
                if constexpr (passes_place<Args...> || needs_place)
                    return core::pointee(c).new_stream(std::forward<Args>(args)..., where);
                else return core::pointee(c).new_stream(std::forward<Args>(args)...);
            };
            return open_stream(open, where);
        } else {
            return core::refused_result{};
        }
    }

    /// Opens a stream on the connection of the lease that `lend()` returns.
    template <class F, class Lend>
    static auto open_on(const Lend& lend, F&& f) {
        using stream_type = std::remove_cvref_t<std::invoke_result_t<F, conn_type&>>;
        static_assert(std::move_constructible<stream_type>, "pool: a stream must be movable");
        static_assert(poolable_stream<stream_type> || !std::move_constructible<stream_type>,
            "pool: a stream needs a member bool done() noexcept, or a stream_traits with done(Stream&)");
        if constexpr (poolable_stream<stream_type>)
            return pooled_stream<lease_type, stream_type>{lend(), std::forward<F>(f)};
        else return core::refused_result{};
    }

    template <core::wanted what = core::wanted::any, class... Limits>
    lease_type lend(const call_site& where, const Limits&... limits) {
        assert(state_ != nullptr && "pool: a call through a pooled_connection that was moved from");
        if (closed_)
            throw connection_closed{
                "pool \"" + state_->name() + "\": a call through a closed connection" + core::for_key(key_)};
        auto& lent = core::acquire_within<what>(*state_, typename State::hashed{key_}, dial_, limits...);
        return {*state_, lent, where, core::lent_to::call};
    }

    std::shared_ptr<State> state_;
    key_type key_;
    [[no_unique_address]] Dial dial_;
    [[no_unique_address]] Timeout timeout_;
    std::atomic<bool> closed_{false};
};

}  // namespace pool
