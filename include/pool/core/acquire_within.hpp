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
#include <pool/core/blocking_acquire.hpp>
#include <pool/core/saturating.hpp>
#include <pool/dial.hpp>
#include <pool/settings.hpp>

/// @file
/// The limits of an acquire in all their forms: a context, a deadline, a time from now, a stop token, and the default
/// of the pool.

namespace pool::core {

/// A `std::chrono::duration`.
template <class T>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;  ///< of any unit

/// A `std::chrono::time_point`.
template <class T>
inline constexpr bool is_time_point = false;
template <class Clock, class Duration>
inline constexpr bool is_time_point<std::chrono::time_point<Clock, Duration>> = true;  ///< of any clock

/// A limit on the time of a call: a duration or a deadline.
template <class T, class TimePoint>
concept is_time_limit = is_duration<std::remove_cvref_t<T>> || is_time_point<std::remove_cvref_t<T>> ||
                        std::convertible_to<T, TimePoint>;

/// A limit on a call: also a stop token or a context.
template <class T, class TimePoint>
concept call_limit =
    is_time_limit<T, TimePoint> || std::convertible_to<T, std::stop_token> || std::convertible_to<T, dial_context>;

/// Anything but the place of a call.
template <class T>
concept not_a_place = !std::same_as<std::remove_cvref_t<T>, call_site>;

/// Anything else stands for a dial, right or wrong.
template <class T, class TimePoint>
concept dial_argument = !call_limit<T, TimePoint> && !std::same_as<std::remove_cvref_t<T>, discard_unless_kept_t>;

/// The type of `discard_unless_kept`. As a deduced argument: nothing else converts to it, not even `{}`.
template <class T>
concept discards = std::same_as<T, discard_unless_kept_t>;

/// Whether the last argument of a call is `discard_unless_kept`.
template <class... Args>
inline constexpr bool ends_in_discard_unless_kept = false;
template <class First, class... More>
inline constexpr bool ends_in_discard_unless_kept<First, More...> =  ///< the last one counts
    ends_in_discard_unless_kept<More...>;
template <class Last>
inline constexpr bool ends_in_discard_unless_kept<Last> =  ///< the last one
    std::same_as<std::remove_cvref_t<Last>, discard_unless_kept_t>;

/// Calls `f` with all arguments but the last.
template <class F, class... Args>
decltype(auto) without_last(const F& f, Args&&... args) {
    const auto all = std::forward_as_tuple(std::forward<Args>(args)...);
    return [&]<std::size_t... I>(std::index_sequence<I...>) -> decltype(auto) {
        return f(std::get<I>(std::move(all))...);
    }(std::make_index_sequence<sizeof...(Args) - 1>{});
}

/// The timeout of calls that bring no deadline; max() is none. Whether a pool can have one is part of its type, so
/// that no other pool has to look.
template <bool has_timeout>
struct default_timeout {
    std::chrono::nanoseconds value = std::chrono::nanoseconds::max();  ///< from the begin of the call
};
template <>
struct default_timeout<false> {};  ///< never one

/// A CapacityPolicy declares, by a constant `has_timeout` that is true, that its pool can have a timeout.
template <class CapacityPolicy>
concept declares_timeout = requires { requires bool{CapacityPolicy::has_timeout}; };

/// Lends or dials, within `timeout` from now: on the pool's clock for the wait, and on the clock of the context for the
/// dial. In a pool that never waits, it limits only the dial. Throws as `core::acquire`.
template <wanted what = wanted::any, class State, class Dial, class Rep, class Period>
typename State::entry& acquire_within(State& state, const typename State::hashed& key, Dial& dial,
    std::chrono::duration<Rep, Period> timeout, std::stop_token stop = {}) {
    using clock_type = typename State::clock_type;
    using time_point = typename clock_type::time_point;
    using real = std::chrono::steady_clock;
    const auto after = [timeout](const auto& clock) { return saturating_add(clock.now(), timeout); };

    dial_context context{.stop = std::move(stop)};
    if constexpr (State::bounds_open) {
        const time_point deadline = after(state.clock());
        if constexpr (std::same_as<time_point, real::time_point>) context.deadline = deadline;
        else context.deadline = after(real{});
        return core::acquire<what>(state, key, dial, context, deadline);
    } else {
        context.deadline = after(real{});
        return core::acquire<what>(state, key, dial, context);
    }
}

/// Lends or dials, within the limits of the context.
template <wanted what = wanted::any, class State, class Dial>
typename State::entry& acquire_within(
    State& state, const typename State::hashed& key, Dial& dial, const dial_context& context, default_timeout<false>) {
    return core::acquire<what>(state, key, dial, context);
}

/// The same. If the context has no deadline, within the timeout of the pool.
template <wanted what = wanted::any, class State, class Dial>
typename State::entry& acquire_within(State& state, const typename State::hashed& key, Dial& dial,
    const dial_context& context, default_timeout<true> otherwise) {
    if (context.deadline != context.deadline.max() || otherwise.value == otherwise.value.max())
        return core::acquire<what>(state, key, dial, context);
    return core::acquire_within<what>(state, key, dial, otherwise.value, context.stop);
}

}  // namespace pool::core
