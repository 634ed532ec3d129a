// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>

#include <boost/system/error_code.hpp>

#include <pool/asio/errc.hpp>
#include <pool/asio/with_exceptions.hpp>
#include <pool/basic_pool.hpp>
#include <pool/call_site.hpp>
#include <pool/core/initiate_acquire.hpp>
#include <pool/core/pool_facade.hpp>
#include <pool/core/requirements.hpp>
#include <pool/key.hpp>

/// @file
/// An acquire that blocks no thread, for programs on Boost.Asio.

namespace pool::core {

/// Whether a completion token takes exceptions.
template <class Token>
inline constexpr bool takes_exceptions = false;
template <class Token>
inline constexpr bool takes_exceptions<asio::with_exceptions<Token>> = true;  ///< any token

/// Begins an acquire that reports what the token takes.
template <class Pool, class Key, class Dial, class Limit, class Token>
auto acquire_for(
    const Pool& pool, const Key& key, Dial&& dial, const Limit& limit, Token&& token, const call_site& where) {
    if constexpr (takes_exceptions<std::remove_cvref_t<Token>>) {
        auto wrapped = std::forward<Token>(token).token;
        return core::initiate_acquire<std::exception_ptr>(
            pool, key, std::forward<Dial>(dial), limit, std::move(wrapped), where);
    } else {
        return core::initiate_acquire<boost::system::error_code>(
            pool, key, std::forward<Dial>(dial), limit, std::forward<Token>(token), where);
    }
}

}  // namespace pool::core

namespace pool::asio {

/// The asynchronous form of `basic_pool::acquire`, for every pool. Lends an idle connection of `key`, or dials one. In
/// a pool that bounds the open connections, it may have to wait for either, in the same queue as the callers that block.
/// It blocks no thread. Completes with `void(boost::system::error_code, lease)`. The lease is empty if there is an
/// error. For the exceptions and texts of `acquire`, wrap the token: `with_exceptions(token)`.
///
/// `dial` is an asynchronous operation, too. It is called on the executor of the handler, as one of
/// - `dial(const Key&, handler)`, which calls one of `handler(error_code, Conn)`, `handler(error_code)` and
///   `handler(std::exception_ptr)`. The handler has the executor of the caller's handler, and can be moved and copied. A
///   connection that comes with an error, or with a second call, is closed.
/// - `awaitable<Conn> dial(const Key&)`, a coroutine. An exception of the coroutine becomes an error code. A
///   `system_error` gives its own code, any other exception gives `errc::dial_failed`.
///
/// Either may take a `const dial_context&` after the key. Its deadline is the caller's. Its stop is requested when the
/// caller leaves without a connection: at its deadline, when it is cancelled, when the pool is closed. A caller that
/// gets another connection does not stop its dial. If the pool has no keys, the dial need not take one.
///
/// The key and the context are valid until the dial is over. While a dial runs, its caller may get a connection that
/// another caller gives back, or may leave. In both cases the dial goes on, unless it obeys the stop. Its connection
/// goes to the next waiting caller, or becomes idle. So a dial may outlive its caller. Whatever it refers to has to live
/// as long as the dial.
///
/// If Conn has `async_healthy`, the caller waits for the check of an idle connection as for a dial: it may leave, and
/// the check goes on alone. A blocking `healthy` runs on the executor of the handler.
///
/// If the pool has a timeout for calls that bring no deadline, it ends the wait. The dial of the pool's own is never
/// used: it would block the thread.
///
/// The handler is called on its executor, never within this call. The pool uses the handler's cancellation slot (Boost
/// 1.77 or later), and the handler's allocator for what it posts. Cancelling takes the caller out of the queue. A
/// caller that already has a connection keeps it and gets no error. If the pool is destroyed first, the operation
/// completes with `pool_closed`. Do not destroy the executor's context while the operation waits in the queue: close
/// the pool before that. Throws what Key's copy and hash throw. When the operation is started, it also throws
/// `std::bad_alloc`, unless the completion token catches that. `where` is the place of the call, which a pool keeps that
/// traces its leases.
template <class State, std::size_t Shards, bool has_timeout, class Dial, class Token>
auto async_acquire(core::pool_facade<State, Shards, has_timeout>& pool, key_view<typename State::key_type> key,
    Dial&& dial, Token&& token, const call_site& where = call_site::current()) {
    return core::acquire_for(
        pool, key, std::forward<Dial>(dial), core::pool_access::timeout(pool), std::forward<Token>(token), where);
}

/// The same, until `limit`: a time of the pool's clock, or a duration that begins when the operation is started. Then
/// the operation completes with `errc::acquire_timeout`, even if its dial is running. A limit that has passed ends it
/// before it takes anything. A timer on the executor of the handler keeps the limit. If the pool's clock does not keep
/// real time, as `manual_clock`, there is no timer: `upkeep` ends the callers that are late, and so may any other
/// operation of the pool.
template <class State, std::size_t Shards, bool has_timeout, class Dial,
    core::async_limit<typename State::clock_time_point> Limit, class Token>
auto async_acquire(core::pool_facade<State, Shards, has_timeout>& pool, key_view<typename State::key_type> key,
    Dial&& dial, Limit limit, Token&& token, const call_site& where = call_site::current()) {
    if constexpr (core::check_async_limit<Limit, typename State::clock_time_point>())
        return core::acquire_for(pool, key, std::forward<Dial>(dial), limit, std::forward<Token>(token), where);
}

/// In a pool of one peer, the same without the key.
template <class State, std::size_t Shards, bool has_timeout, class Dial, class Token>
    requires(core::is_keyless<typename State::key_type, Dial>)
auto async_acquire(core::pool_facade<State, Shards, has_timeout>& pool, Dial&& dial, Token&& token,
    const call_site& where = call_site::current()) {
    return asio::async_acquire(pool, no_key{}, std::forward<Dial>(dial), std::forward<Token>(token), where);
}
/// The same, until `limit`.
template <class State, std::size_t Shards, bool has_timeout, class Dial,
    core::async_limit<typename State::clock_time_point> Limit, class Token>
    requires(core::is_keyless<typename State::key_type, Dial>)
auto async_acquire(core::pool_facade<State, Shards, has_timeout>& pool, Dial&& dial, Limit limit, Token&& token,
    const call_site& where = call_site::current()) {
    return asio::async_acquire(pool, no_key{}, std::forward<Dial>(dial), limit, std::forward<Token>(token), where);
}

}  // namespace pool::asio
