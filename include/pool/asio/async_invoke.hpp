// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>

#include <pool/asio/async_acquire.hpp>
#include <pool/call_site.hpp>
#include <pool/core/pool_facade.hpp>
#include <pool/core/requirements.hpp>
#include <pool/key.hpp>
#include <pool/lease.hpp>
#include <pool/pooled_connection.hpp>

#ifdef BOOST_ASIO_HAS_CO_AWAIT
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#endif

/// @file
/// A call that lends a connection and gives it back, and blocks no thread. It is there if the compiler has coroutines.

namespace pool::core {

/// What a function returns in the end, if it may be a coroutine of Asio.
template <class Result>
struct awaited {
    using type = Result;  ///< itself
};
#ifdef BOOST_ASIO_HAS_CO_AWAIT
template <class T, class Executor>
struct awaited<boost::asio::awaitable<T, Executor>> {
    using type = T;  ///< what `co_await` gives
};
#endif

/// Checks the function of an `async_invoke`. Returns whether it can be called.
template <class F, class Conn>
consteval bool check_async_call() {
    static_assert(
        std::invocable<F&, Conn&>, "pool: the function of async_invoke must take a Conn&, and may be a coroutine");
    if constexpr (!std::invocable<F&, Conn&>) {
        return false;
    } else {
        using result = typename awaited<std::invoke_result_t<F&, Conn&>>::type;
        constexpr bool refers = refers_to_connection<result, Conn>;
        static_assert(!refers,
            "pool: async_invoke must not return a reference: the connection is with the pool again by then. Return a "
            "value");
        constexpr bool is_unfinished = runs_later<result> && !is_finished<result>;
        static_assert(!is_unfinished,
            "pool: async_invoke awaits only a boost::asio::awaitable, and other futures and coroutines run later. "
            "Acquire a lease, and keep it until the work is done");
        constexpr bool is_default = std::is_void_v<result> || std::default_initializable<result>;
        static_assert(is_default,
            "pool: the result of async_invoke must have a default constructor: a handler gets one with an exception");
        return !refers && !is_unfinished && is_default;
    }
}

}  // namespace pool::core

#ifdef BOOST_ASIO_HAS_CO_AWAIT

namespace pool::core {

/// Calls `f(conn)`, and awaits it if it is a coroutine. Returns its result after the connection has been given back. An
/// exception, or the destruction of a coroutine in the middle of the call, leaves a connection that may be in any state.
template <class Result, class State, class F>
boost::asio::awaitable<Result> call_with(lease<State> lent, F& f) {
    lent.discard_unless_kept();
    if constexpr (!is_awaitable<std::invoke_result_t<F&, typename State::connection_type&>>) {
        if constexpr (std::is_void_v<Result>) {
            std::invoke(f, *lent);
            lent.give_back();
        } else {
            Result result = std::invoke(f, *lent);
            lent.give_back();
            co_return result;
        }
    } else if constexpr (std::is_void_v<Result>) {
        co_await std::invoke(f, *lent);
        lent.give_back();
    } else {
        Result result = co_await std::invoke(f, *lent);
        lent.give_back();
        co_return result;
    }
}

/// Acquires a connection, and calls.
template <class Result, class State, class Dial, class F, class Limit>
boost::asio::awaitable<Result> acquire_and_call(std::shared_ptr<State> state, typename State::key_type key,
    std::size_t hash, Dial dial, F f, Limit limit, call_site where) {
    const boost::asio::use_awaitable_t<> token;
    lease<State> lent = co_await boost::asio::async_initiate<decltype(token), void(std::exception_ptr, lease<State>)>(
        start_acquire<std::exception_ptr>{}, token, std::move(state), std::move(key), hash, std::move(dial), limit,
        where);
    co_return co_await core::call_with<Result>(std::move(lent), f);
}

/// Starts the coroutine on the executor of the handler. Not a lambda: see `start_acquire`.
template <class Result>
struct start_invoke {
    /// Starts it.
    template <class Handler, class State, class Dial, class F, class Limit>
    void operator()(Handler handler, std::shared_ptr<State> state, typename State::key_type key, std::size_t hash,
        Dial dial, F f, const Limit& limit, const call_site& where) const {
        const auto executor = boost::asio::get_associated_executor(handler);
        boost::asio::co_spawn(executor,
            core::acquire_and_call<Result>(
                std::move(state), std::move(key), hash, std::move(dial), std::move(f), limit, where),
            std::move(handler));
    }
};

/// The completion signature of an `async_invoke`.
template <class Result>
struct invoke_signature {
    using type = void(std::exception_ptr, Result);  ///< as `co_spawn` completes
};
template <>
struct invoke_signature<void> {
    using type = void(std::exception_ptr);  ///< without a result
};

/// Begins an invoke.
template <class State, std::size_t Shards, class Dial, class F, class Limit, class Token>
auto initiate_invoke(const pool_states<State, Shards>& pool, key_view<typename State::key_type> key, Dial&& dial, F&& f,
    const Limit& limit, Token&& token, const call_site& where) {
    using function = std::decay_t<F>;
    using connection_type = typename State::connection_type;
    if constexpr (check_movable<connection_type>() && check_async_call<function, connection_type>()) {
        using result = typename awaited<std::invoke_result_t<function&, connection_type&>>::type;
        const typename State::hashed key_with_hash{key};
        std::decay_t<Token> own(std::forward<Token>(token));  // not all tokens of Asio may be const
        return boost::asio::async_initiate<std::decay_t<Token>, typename invoke_signature<result>::type>(
            start_invoke<result>{}, own, pool_access::state(pool, key_with_hash), typename State::key_type(key),
            key_with_hash.hash, std::forward<Dial>(dial), std::forward<F>(f), limit, where);
    }
}

}  // namespace pool::core

namespace pool::asio {

/// Lends a connection as `async_acquire`, calls `f(conn)`, and gives the connection back when that is done. `f` is a
/// coroutine `awaitable<T> f(Conn&)`, which is awaited to its end, or a plain function `T f(Conn&)`. Both run on the
/// executor of the handler.
///
/// Completes with `void(std::exception_ptr, T)`, or with `void(std::exception_ptr)` if there is no result. With
/// `use_awaitable`, `co_await` returns the result, or throws: what `f` and `dial` throw, unchanged, and the pool's own
/// exceptions, as `acquire`. T needs a default constructor, as with `co_spawn`. It must not refer to the connection.
///
/// If `f` throws, or if it is destroyed before its end, the connection is closed, unless it is `reusable`. Cancelling
/// reaches the wait, and then `f`, as in a coroutine that awaits both (Boost 1.77 or later).
template <class State, std::size_t Shards, bool has_timeout, class Dial, class F, class Token>
auto async_invoke(core::pool_facade<State, Shards, has_timeout>& pool, key_view<typename State::key_type> key,
    Dial&& dial, F&& f, Token&& token, const call_site& where = call_site::current()) {
    return core::initiate_invoke(pool, key, std::forward<Dial>(dial), std::forward<F>(f),
        core::pool_access::timeout(pool), std::forward<Token>(token), where);
}

/// The same. The wait for the connection ends at `limit`: a time of the pool's clock, or a duration from now. It does
/// not end `f`.
template <class State, std::size_t Shards, bool has_timeout, class Dial,
    core::async_limit<typename State::clock_time_point> Limit, class F, class Token>
auto async_invoke(core::pool_facade<State, Shards, has_timeout>& pool, key_view<typename State::key_type> key,
    Dial&& dial, Limit limit, F&& f, Token&& token, const call_site& where = call_site::current()) {
    if constexpr (core::check_async_limit<Limit, typename State::clock_time_point>())
        return core::initiate_invoke(
            pool, key, std::forward<Dial>(dial), std::forward<F>(f), limit, std::forward<Token>(token), where);
}

/// In a pool of one peer, the same without the key.
template <class State, std::size_t Shards, bool has_timeout, class Dial, class F, class Token>
    requires(core::is_keyless<typename State::key_type, Dial>)
auto async_invoke(core::pool_facade<State, Shards, has_timeout>& pool, Dial&& dial, F&& f, Token&& token,
    const call_site& where = call_site::current()) {
    return asio::async_invoke(
        pool, no_key{}, std::forward<Dial>(dial), std::forward<F>(f), std::forward<Token>(token), where);
}
/// The same, until `limit`.
template <class State, std::size_t Shards, bool has_timeout, class Dial,
    core::async_limit<typename State::clock_time_point> Limit, class F, class Token>
    requires(core::is_keyless<typename State::key_type, Dial>)
auto async_invoke(core::pool_facade<State, Shards, has_timeout>& pool, Dial&& dial, Limit limit, F&& f, Token&& token,
    const call_site& where = call_site::current()) {
    return asio::async_invoke(
        pool, no_key{}, std::forward<Dial>(dial), limit, std::forward<F>(f), std::forward<Token>(token), where);
}

}  // namespace pool::asio

#endif
