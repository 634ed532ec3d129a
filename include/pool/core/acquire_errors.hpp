// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <string>

#include <pool/core/error_text.hpp>
#include <pool/core/request.hpp>
#include <pool/core/what.hpp>
#include <pool/error.hpp>
#include <pool/stats.hpp>

/// @file
/// The texts of the errors of an acquire.

namespace pool::core {

/// Throws the error of a caller that gets nothing, by the state of its request. `for_key` is the part of the text that
/// names its key. A function of plain arguments, because each kind of pool would have a copy of a template.
[[noreturn]] inline void refuse(
    request_state outcome, const std::string& pool_name, const std::string& for_key, const seen_figures& seen) {
    const auto count = [](std::size_t n, const char* what) { return std::to_string(n) + what; };
    std::string text = "pool \"" + pool_name + "\": no connection" + for_key + ": " + core::why_refused(outcome) + " (";
    if (outcome == request_state::closed)
        throw pool_closed{text + count(seen.idle, " idle, ") + count(seen.lent, " lent)")};
    text += count(seen.idle + seen.lent + seen.dialing + seen.closing, " open, ") + count(seen.idle, " idle, ") +
            count(seen.lent, " lent, ") + count(seen.dialing, " dialling, ") + count(seen.waiting, " waiting)");
    if (seen.last_error) text += "; the last dial failed: " + *seen.last_error;
    switch (outcome) {
    case request_state::queue_full: throw queue_full{text};
    case request_state::timed_out: throw acquire_timeout{text};
    case request_state::cancelled: throw acquire_cancelled{text};
    case request_state::paused: throw pool_paused{text};
    default: throw acquire_invalidated{text};
    }
}

/// The figures for the error of a caller that has not been in the queue.
template <class State>
seen_figures figures_of(const State& state) {
    const pool::stats now = state.stats();
    return {now.idle, now.lent, now.dialing, now.closing, now.waiting, nullptr};
}

/// Throws the error of a caller that gets nothing, if the state of its request says that. `seen` is what it saw then.
template <class State>
void throw_refusal(
    request_state outcome, const State& state, const typename State::hashed& key, const seen_figures& seen) {
    if (!is_refusal(outcome)) return;
    // The error of a closed pool says what is still open now.
    const bool sees_now = outcome == request_state::closed;
    core::refuse(outcome, state.name(), core::for_key(key.key), sees_now ? core::figures_of(state) : seen);
}

/// The same, of a caller that has not been in the queue.
template <class State>
void throw_refusal(request_state outcome, const State& state, const typename State::hashed& key) {
    if (!is_refusal(outcome)) return;
    core::refuse(outcome, state.name(), core::for_key(key.key), core::figures_of(state));
}

/// The error of a dial that has returned a dead connection. Throws what `why_dead` throws.
template <class State, class Key, class Conn>
dial_failed dead_dial_error(const State& state, const Key& key, const Conn& dead) {
    return dial_failed{"pool \"" + state.name() + "\": " + core::dead_dial_text(key, dead)};
}

}  // namespace pool::core
