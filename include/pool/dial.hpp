// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <stop_token>
#include <type_traits>

#include <pool/core/platform.hpp>

/// @file
/// How a connection is opened: by a function of the caller's. It takes the key and, if it asks for it, the context of
/// the call that it dials for.

namespace pool {

/// The deadline and the stop token of one call. The pool passes them to the dial, and a dial that waits should heed
/// both. A pool that bounds the open connections also lets its caller wait no longer than that: until `deadline` or
/// until `stop` is requested. The deadline of a pool on another clock is as far away on that clock.
struct dial_context {
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();  ///< max() is none
    std::stop_token stop{};  ///< requested when the caller has lost interest
};

/// Opens a connection for a key, without asking for the context.
template <class Dial, class Key, class Conn>
concept plain_dial_function = std::is_invocable_r_v<Conn, Dial&, const Key&>;

/// Opens a connection for a key, within the limits of the context.
template <class Dial, class Key, class Conn>
concept context_dial_function = std::is_invocable_r_v<Conn, Dial&, const Key&, const dial_context&>;

/// One of the two. A function that is both gets the context.
template <class Dial, class Key, class Conn>
concept dial_function = context_dial_function<Dial, Key, Conn> || plain_dial_function<Dial, Key, Conn>;

}  // namespace pool
