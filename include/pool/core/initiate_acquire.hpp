// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/system/error_code.hpp>

#include <pool/call_site.hpp>
#include <pool/core/acquire_operation.hpp>
#include <pool/core/acquire_within.hpp>
#include <pool/core/dial_with.hpp>
#include <pool/core/pool_states.hpp>
#include <pool/core/saturating.hpp>
#include <pool/lease.hpp>

/// @file
/// The initiating function of an asynchronous acquire.

namespace pool::core {

/// What limits an asynchronous call: a duration, or a deadline of the pool's clock.
template <class T, class TimePoint>
concept async_limit = is_duration<T> || is_time_point<T> || std::convertible_to<const T&, TimePoint>;

/// Checks the limit of an asynchronous call.
template <class Limit, class TimePoint>
consteval bool check_async_limit() {
    constexpr bool is_of_this_clock = is_duration<Limit> || std::convertible_to<const Limit&, TimePoint>;
    static_assert(is_of_this_clock, "pool: a deadline must be a time of the pool's clock");
    return is_of_this_clock;
}

/// When a call gives up that begins now.
template <class State, class Limit>
typename State::clock_time_point deadline_of(const State& state, const Limit& limit) {
    using time_point = typename State::clock_time_point;
    const auto after = [&](auto timeout) { return saturating_add(state.clock().now(), timeout); };
    if constexpr (std::same_as<Limit, default_timeout<false>>) return time_point::max();
    else if constexpr (std::same_as<Limit, default_timeout<true>>)
        return limit.value == limit.value.max() ? time_point::max() : after(limit.value);
    else if constexpr (is_duration<Limit>) return after(limit);
    else return limit;
}

/// Makes an operation for a handler, and starts it. Not a lambda, because the compiler would show all that is around it
/// with each of Asio's frames.
template <class Error>
struct start_acquire {
    /// Refuses a dial that cannot be called.
    template <class Handler, class State, class Dial, class Limit>
    void operator()(Handler handler, std::shared_ptr<State> state, typename State::key_type key, std::size_t hash,
        Dial dial, const Limit& limit, const call_site& where) const {
        constexpr bool has_deadline = !std::is_same_v<Limit, default_timeout<false>>;
        using operation = acquire_operation<State, Dial, Handler, Error, has_deadline>;
        if constexpr (operation::check_dial()) {
            const auto deadline = core::deadline_of(*state, limit);
            std::make_shared<operation>(
                std::move(state), std::move(key), hash, std::move(dial), deadline, std::move(handler), where)
                ->start();
        }
    }
};

/// Checks the dial of an acquire, as far as the token tells: one that is called like a handler is the handler. Any
/// other is checked when its handler is known.
template <class State, class Dial, class Token, class Error>
consteval bool check_async_dial() {
    if constexpr (std::is_invocable_v<Token, Error, lease<State>>)
        return acquire_operation<State, Dial, Token, Error, false>::check_dial();
    else return true;
}

/// Checks the type of the connections.
template <class Conn>
consteval bool check_movable() {
    static_assert(std::move_constructible<Conn>, "pool: async_acquire needs a Conn that can be moved");
    return std::move_constructible<Conn>;
}

/// Checks that the dial may be asynchronous.
template <class Dial>
consteval bool check_not_blocking() {
    static_assert(!is_blocking<Dial>,
        "pool: backing_off and timed are for blocking dials: async_acquire and async_invoke take neither");
    return !is_blocking<Dial>;
}

/// Checks the call.
template <class State, class Dial, class Token, class Error>
consteval bool check_async_acquire() {
    if constexpr (!check_movable<typename State::connection_type>()) return false;
    else if constexpr (!check_not_blocking<std::decay_t<Dial>>()) return false;
    else return check_async_dial<State, std::decay_t<Dial>, std::decay_t<Token>, Error>();
}

/// Begins an acquire that reports an `Error`. The key is hashed here, because what throws in an initiation is lost in
/// some tokens.
template <class Error, class State, std::size_t Shards, class Dial, class Limit, class Token>
auto initiate_acquire(const pool_states<State, Shards>& pool, key_view<typename State::key_type> key, Dial&& dial,
    const Limit& limit, Token&& token, const call_site& where) {
    if constexpr (check_async_acquire<State, Dial, Token, Error>()) {
        const typename State::hashed key_with_hash{key};
        std::decay_t<Token> own(std::forward<Token>(token));  // not all tokens of Asio may be const
        return boost::asio::async_initiate<std::decay_t<Token>, void(Error, lease<State>)>(start_acquire<Error>{}, own,
            pool_access::state(pool, key_with_hash), typename State::key_type(key), key_with_hash.hash,
            std::forward<Dial>(dial), limit, where);
    }
}

}  // namespace pool::core
