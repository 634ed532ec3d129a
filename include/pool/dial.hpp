// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <stop_token>
#include <type_traits>

#include <pool/key.hpp>

/// @file
/// How a connection is opened: by the caller's dial function. It takes the key. It may also take the context of the
/// call. For a pool of one peer, it need not take the key.

namespace pool {

/// The deadline and the stop token of one call. The pool passes them to the dial. A dial that waits should stop waiting
/// at the deadline and on a stop request. In a pool that bounds the open connections, they also end the caller's wait
/// for a free connection or permit. If the pool's clock has other time points, the pool converts the deadline to a time
/// that is as far away on that clock.
struct dial_context {
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();  ///< max() is none
    std::stop_token stop{};  ///< requested when the caller does not need the connection any more
};

/// A dial function that takes only the key, or nothing if there is no key.
template <class Dial, class Key, class Conn>
concept plain_dial_function = std::is_invocable_r_v<Conn, Dial&, const Key&> ||
                              (std::same_as<Key, no_key> && std::is_invocable_r_v<Conn, Dial&>);

/// A dial function that takes the key and the context, or only the context if there is no key.
template <class Dial, class Key, class Conn>
concept context_dial_function = std::is_invocable_r_v<Conn, Dial&, const Key&, const dial_context&> ||
                                (std::same_as<Key, no_key> && std::is_invocable_r_v<Conn, Dial&, const dial_context&>);

/// A plain or a context dial function. A function that can be called in both ways gets the context.
template <class Dial, class Key, class Conn>
concept dial_function = context_dial_function<Dial, Key, Conn> || plain_dial_function<Dial, Key, Conn>;

}  // namespace pool
