// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <optional>
#include <stop_token>

#include <pool/core/acquire_errors.hpp>
#include <pool/core/dial_with.hpp>
#include <pool/core/health.hpp>
#include <pool/core/open_limit.hpp>
#include <pool/core/parking.hpp>

/// @file
/// How a thread acquires a connection: it submits a request, waits, and dials when it may. The asynchronous form uses
/// the same operations.

namespace pool::core {

/// The request of a thread that blocks.
template <class State>
class blocking_request final : public State::request,
                               public parked_thread<typename State::lock_type, typename State::clock_type> {
public:
    blocking_request(std::stop_token stop, typename State::clock_time_point deadline)
        : State::request{true, deadline},
          stop_{std::move(stop)} {}

    bool is_stop_requested() const noexcept override { return stop_.stop_requested(); }

private:
    bool notified() noexcept override {
        this->wake();
        return true;
    }

    const std::stop_token stop_;
};

/// Takes a request out of the queue, if its thread leaves by an exception.
template <class State>
class withdrawal {
public:
    withdrawal(State& state, typename State::request& asking) noexcept : state_{state}, asking_{asking} {}
    withdrawal(const withdrawal&) = delete;
    withdrawal& operator=(const withdrawal&) = delete;
    ~withdrawal() {
        if (is_done || !asking_.is_submitted()) return;
        state_.cancel(asking_);
        if (asking_.state() == request_state::lent) state_.give_back(asking_.lent());
    }

    bool is_done = false;  ///< the thread has got what its request was for

private:
    State& state_;
    typename State::request& asking_;
};

/// Dials for a request in the state `dialing`. Calls `prepare()` before that. If the dial was outdated meanwhile, the
/// request may dial again.
template <class State, class Prepare, class Dial>
void dial_for(State& state, typename State::request& dialing, const Prepare& prepare, Dial& dial,
    const dial_context& context) {
    typename State::entry* fresh = nullptr;
    try {
        prepare();
        fresh = &state.dial(dialing, dial, context);
    } catch (...) {
        state.dial_failed(dialing, core::kept_text(std::current_exception()));
        throw;
    }
    if (!fresh->has_conn() || state.dial_succeeded(dialing, *fresh) == dial_end::outdated)
        state.dial_outdated(dialing, *fresh);
}

/// Waits until the state of a request is final, or `may_dial`. Returns that. Calls `prepare()` before a close that it
/// makes itself.
template <class State, class Prepare>
request_state wait_for(
    State& state, blocking_request<State>& asking, const std::stop_token& stop, const Prepare& prepare) {
    request_state seen = state.look(asking);
    if (!is_waiting(seen)) return seen;
    const auto wake_up = [&] { state.wake(asking); };
    const typename stop_callback_for<typename State::lock_type, decltype(wake_up)>::type stopping{stop, wake_up};
    for (; is_waiting(seen); seen = state.look(asking)) {
        if (seen == request_state::promised) {
            prepare();
            if (state.close_for(asking)) continue;
        }
        state.wait(asking);
    }
    return seen;
}

/// A connection that a caller was lent, and cannot use.
template <class State>
struct unusable {
    typename State::entry* conn = nullptr;  ///< none, if the caller found no connection
    bool prefers_dial = false;              ///< the caller wants no other idle one instead
};

/// Dials a connection, or waits for one, for a caller that found none, or one that it cannot use.
template <class State, class Dial>
typename State::entry& wait_or_dial(State& state, const typename State::hashed& key, Dial& dial,
    const dial_context& context, typename State::clock_time_point deadline, unusable<State> instead_of = {}) {
    using key_type = typename State::key_type;
    std::optional<key_type> kept;  // a close or the dial may destroy what `key` refers to
    const auto keep_key = [&] {
        if (!kept) kept.emplace(key.key);
    };
    const auto own = [&] { return kept ? typename State::hashed{key_view<key_type>(*kept), key.hash} : key; };

    dropped<State> sick{state, instead_of.conn};  // unless it is replaced
    blocking_request<State> asking{context.stop, deadline};
    withdrawal leaving{state, asking};
    if (instead_of.prefers_dial) asking.prefer_dial();
    if (sick.it == nullptr) {
        state.submit(asking, key);
    } else {
        keep_key();
        if (!state.replace(asking, *sick.it)) core::throw_refusal(request_state::closed, state, own());
        sick.it = nullptr;
    }
    request_state seen = wait_for(state, asking, context.stop, keep_key);
    while (seen == request_state::may_dial) {
        dial_for(state, asking, keep_key, dial, context);
        seen = asking.state();
        if (seen == request_state::may_dial) seen = wait_for(state, asking, context.stop, keep_key);
    }
    core::throw_refusal(seen, state, own(), asking.seen());
    leaving.is_done = true;
    return asking.lent();
}

/// Throws `acquire_timeout` or `acquire_cancelled`, if a caller has given up before it gets anything.
template <class State>
void refuse_late(const State& state, const typename State::hashed& key, const dial_context& context,
    typename State::clock_time_point deadline) {
    if (context.stop.stop_requested()) core::throw_refusal(request_state::cancelled, state, key);
    if (state.is_past(deadline)) core::throw_refusal(request_state::timed_out, state, key);
}

/// The same for a caller whose connection has been checked meanwhile. It gives that back.
template <class State>
void give_back_if_late(
    State& state, typename State::entry& lent, const dial_context& context, typename State::clock_time_point deadline) {
    try {
        refuse_late(state, lent.hashed(), context, deadline);
    } catch (...) {
        state.give_back(lent);
        throw;
    }
}

/// The kind of connection that a caller wants.
enum class wanted : bool {
    any,    ///< an idle connection, or else a new one
    fresh,  ///< a new one: one that it is lent instead is closed for its permit
};

/// Lends a connection that is idle and healthy, or dials one. Waits for either until `deadline`, or until a stop is
/// requested. Throws what `dial` throws, `pool_closed`, `acquire_timeout`, `acquire_cancelled` and `queue_full`.
template <wanted what = wanted::any, class State, class Dial>
typename State::entry& acquire(State& state, const typename State::hashed& key, Dial& dial, const dial_context& context,
    typename State::clock_time_point deadline) {
    refuse_late(state, key, context, deadline);
    constexpr bool is_fresh = what == wanted::fresh;
    typename State::entry* found = state.lend_at_once(key);
    if (found == nullptr) [[unlikely]]
        found = &wait_or_dial<State>(state, key, dial, context, deadline, {.prefers_dial = is_fresh});
    const auto wait_or_dial_instead = [&](bool prefers_dial) {
        found = &wait_or_dial<State>(
            state, found->hashed(), dial, context, deadline, {.conn = found, .prefers_dial = prefers_dial});
    };
    if constexpr (is_fresh) {
        while (found->reused) {
            if (found->is_unused()) state.passed_check(*found);
            wait_or_dial_instead(true);
        }
    } else {
        for (int n = 1; found->is_unused(); ++n) {
            if (!core::is_healthy(state, *found)) wait_or_dial_instead(n >= most_unhealthy);
            else give_back_if_late(state, *found, context, deadline);
        }
    }
    return *found;
}

/// The same, until the deadline of the context; a pool that bounds only the idle connections never waits.
template <wanted what = wanted::any, class State, class Dial>
typename State::entry& acquire(
    State& state, const typename State::hashed& key, Dial& dial, const dial_context& context) {
    if constexpr (State::bounds_open)
        return core::acquire<what>(state, key, dial, context, deadline_on(state.clock(), context));
    else if constexpr (what == wanted::fresh) return state.acquire_fresh(key, dial, context);
    else return state.acquire(key, dial, context);
}

}  // namespace pool::core
