// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <functional>
#include <type_traits>

#include <pool/core/saturating.hpp>
#include <pool/dial.hpp>
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
