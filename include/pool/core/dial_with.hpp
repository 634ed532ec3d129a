// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

#include <pool/core/saturating.hpp>
#include <pool/dial.hpp>
#include <pool/key.hpp>
#include <pool/policies/clock.hpp>

/// @file
/// How the pool calls a dial, and reads its context.

namespace pool::core {

/// Calls `dial`. Its exceptions pass through. If it can be called in several ways, it gets the context rather than not,
/// and then the key rather than not.
template <class Conn, class Key, dial_function<Key, Conn> Dial>
Conn dial_with(Dial& dial, const Key& key, [[maybe_unused]] const dial_context& context) {
    if constexpr (std::is_invocable_r_v<Conn, Dial&, const Key&, const dial_context&>)
        return std::invoke(dial, key, context);
    else if constexpr (context_dial_function<Dial, Key, Conn>) return std::invoke(dial, context);
    else if constexpr (std::is_invocable_r_v<Conn, Dial&, const Key&>) return std::invoke(dial, key);
    else return std::invoke(dial);
}

/// Whether a context says that its caller needs no connection any more.
inline bool has_ended(const dial_context& context) {
    if (context.stop.stop_requested()) return true;
    return context.deadline != context.deadline.max() && std::chrono::steady_clock::now() >= context.deadline;
}

/// Whether a dial, of any result, takes the context of its caller. It is not tried without the key, if there is one:
/// a generic dial might not compile. The `Handler` is that of an asynchronous dial. A
/// blocking dial and a coroutine have none.
template <class Dial, class Key, class... Handler>
inline constexpr bool takes_context =
    std::disjunction_v<std::is_invocable<Dial&, const Key&, const dial_context&, Handler...>,
        std::conjunction<std::is_same<Key, no_key>, std::is_invocable<Dial&, const dial_context&, Handler...>>>;

/// Whether a dial takes no context.
template <class Dial, class Key, class... Handler>
inline constexpr bool takes_no_context = std::is_invocable_v<Dial&, const Key&, Handler...> ||
                                         (std::same_as<Key, no_key> && std::is_invocable_v<Dial&, Handler...>);

/// A dial of any result, for keys of this type.
template <class Dial, class Key>
concept can_dial = takes_context<Dial, Key> || takes_no_context<Dial, Key>;

/// Whether it gets to see the context. A function around another dial may take one without passing it on, and says so
/// here.
template <class Dial, class Key>
inline constexpr bool heeds_context = takes_context<Dial, Key>;

/// Whether a dial, which heeds its context, has a use for a stop token. A dial whose type is erased knows that itself.
template <class Dial>
bool can_be_stopped([[maybe_unused]] const Dial& dial) noexcept {
    if constexpr (requires { { dial.heeds_context() } -> std::same_as<bool>; }) return dial.heeds_context();
    else return true;
}

/// Whether it is a function around a dial that is for blocking dials alone. Such a function says so here.
template <class Dial>
inline constexpr bool is_blocking = false;

/// Calls a dial of any result, and prefers as `dial_with`.
template <class Dial, class Key, class... Handler>
    requires(takes_context<Dial, Key, Handler...> || takes_no_context<Dial, Key, Handler...>)
decltype(auto) call_dial(
    Dial& dial, const Key& key, [[maybe_unused]] const dial_context& context, Handler&&... handler) {
    if constexpr (std::is_invocable_v<Dial&, const Key&, const dial_context&, Handler...>)
        return std::invoke(dial, key, context, std::forward<Handler>(handler)...);
    else if constexpr (takes_context<Dial, Key, Handler...>)
        return std::invoke(dial, context, std::forward<Handler>(handler)...);
    else if constexpr (std::is_invocable_v<Dial&, const Key&, Handler...>)
        return std::invoke(dial, key, std::forward<Handler>(handler)...);
    else return std::invoke(dial, std::forward<Handler>(handler)...);
}

/// The result of that call.
template <class Dial, class Key>
using dialled =
    decltype(core::call_dial(std::declval<Dial&>(), std::declval<const Key&>(), std::declval<const dial_context&>()));

/// The deadline of a context on the clock of a pool. If that clock has other time points than
/// `std::chrono::steady_clock`, the result is as far from that clock's now as the deadline is from now.
template <clock_policy Clock>
typename Clock::time_point deadline_on(const Clock& clock, const dial_context& context) {
    using time_point = typename Clock::time_point;
    if constexpr (std::is_same_v<time_point, decltype(context.deadline)>) {
        return context.deadline;
    } else {
        if (context.deadline == context.deadline.max()) return time_point::max();
        const auto now = std::chrono::steady_clock::now();
        if (context.deadline <= now) return clock.now();
        return saturating_add(clock.now(), context.deadline - now);
    }
}

}  // namespace pool::core
