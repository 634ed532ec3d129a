// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <stop_token>

/// @file
/// How a connection is opened: by the caller's function, which takes the key and, if it wants to know them, the limits
/// of the call on whose behalf it dials.

namespace pool {

/// The limits of one call. The pool hands them on and does not act on them: a dial that waits should heed both.
struct dial_context {
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();  ///< max() is none
    std::stop_token stop{};  ///< requested when the caller has lost interest
};

/// Opens a connection for a key, without asking for the limits of the call.
template <class Dial, class Key, class Conn>
concept plain_dialer = std::is_invocable_r_v<Conn, Dial&, const Key&>;

/// Opens a connection for a key, within the limits of the call.
template <class Dial, class Key, class Conn>
concept context_dialer = std::is_invocable_r_v<Conn, Dial&, const Key&, const dial_context&>;

/// One of the two; a function that is both gets the context.
template <class Dial, class Key, class Conn>
concept dialer = context_dialer<Dial, Key, Conn> || plain_dialer<Dial, Key, Conn>;

/// Refuses, in a plain sentence, what is not a dialer.
template <class Dial, class Key, class Conn>
constexpr void expect_dialer() {
    static_assert(dialer<Dial, Key, Conn>,
        "pool: dial must be callable as Conn(const Key&) or as Conn(const Key&, const dial_context&)");
}

/// Calls `dial`. What it throws passes through.
template <class Conn, class Key, dialer<Key, Conn> Dial>
Conn dial_with(Dial& dial, const Key& key, const dial_context& context) {
    if constexpr (context_dialer<Dial, Key, Conn>) return std::invoke(dial, key, context);
    else return std::invoke(dial, key);
}

}  // namespace pool
