// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>

#include <pool/core/error_text.hpp>
#include <pool/core/request.hpp>
#include <pool/core/what.hpp>
#include <pool/error.hpp>
#include <pool/stats.hpp>

/// @file
/// The texts of the errors of an acquire.

namespace pool::core {

/// The pool is closed.
template <class State>
pool_closed closed_error(const State& state, const typename State::hashed& key) {
    const pool::stats seen = state.stats();
    return pool_closed{"pool \"" + state.name() + "\": no connection" + core::for_key(key.key) +
                       ": the pool is closed (" + std::to_string(seen.idle) + " idle, " + std::to_string(seen.lent) +
                       " lent)"};
}

/// The error of a caller that stops waiting. `why` is the reason, and `seen` what it saw when it left the queue.
template <class Error, class State>
Error wait_error(const State& state, const typename State::hashed& key, const char* why, const seen_figures& seen) {
    return Error{"pool \"" + state.name() + "\": no connection" + core::for_key(key.key) + ": " + why + " (" +
                 std::to_string(seen.idle + seen.lent + seen.dialing + seen.closing) + " open, " +
                 std::to_string(seen.idle) + " idle, " + std::to_string(seen.lent) + " lent, " +
                 std::to_string(seen.dialing) + " dialling, " + std::to_string(seen.waiting) + " waiting)" +
                 (seen.last_error ? "; the last dial failed: " + *seen.last_error : "")};
}

/// The figures for the error of a caller that has not been in the queue.
template <class State>
seen_figures figures_of(const State& state) {
    const pool::stats now = state.stats();
    return {now.idle, now.lent, now.dialing, now.closing, now.waiting, nullptr};
}

/// Throws the error of a caller that gets nothing, if the state of its request says that. `seen` is what it saw then.
template <class State>
void throw_refusal(request_state outcome, const State& state, const typename State::hashed& key, const seen_figures& seen) {
    switch (outcome) {
    case request_state::closed: throw closed_error(state, key);
    case request_state::queue_full: throw wait_error<queue_full>(state, key, "the wait queue is full", seen);
    case request_state::timed_out: throw wait_error<acquire_timeout>(state, key, "its deadline has passed", seen);
    case request_state::cancelled: throw wait_error<acquire_cancelled>(state, key, "cancelled", seen);
    case request_state::paused: throw wait_error<pool_paused>(state, key, "the pool is paused", seen);
    case request_state::invalidated:
        throw wait_error<acquire_invalidated>(state, key, "the pool was invalidated", seen);
    default: return;
    }
}

/// The same, of a caller that has not been in the queue.
template <class State>
void throw_refusal(request_state outcome, const State& state, const typename State::hashed& key) {
    core::throw_refusal(outcome, state, key, core::figures_of(state));
}

/// The error of a dial that has returned a dead connection. Throws what `why_dead` throws.
template <class State, class Key, class Conn>
dial_failed dead_dial_error(const State& state, const Key& key, const Conn& dead) {
    return dial_failed{"pool \"" + state.name() + "\": " + core::dead_dial_text(key, dead)};
}

}  // namespace pool::core
