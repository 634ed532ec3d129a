// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <optional>

#include <pool/core/acquire_errors.hpp>
#include <pool/core/dial_with.hpp>
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
    blocking_request() : State::request{true} {}

private:
    void notified() noexcept override { this->wake(); }
};

/// Lends an idle connection or dials one. Waits for either until `deadline`, or until a stop is requested. Throws what
/// `dial` throws, `pool_closed`, `acquire_timeout`, `acquire_cancelled` and `queue_full`.
template <class State, class Dial>
typename State::entry& acquire(State& state, const typename State::hashed& key, Dial& dial, const dial_context& context,
    typename State::clock_time_point deadline) {
    using key_type = typename State::key_type;
    if (context.stop.stop_requested())
        throw wait_error<acquire_cancelled>(state, key, "cancelled before it began", nullptr);
    if (state.is_past(deadline)) throw wait_error<acquire_timeout>(state, key, "its deadline has passed", nullptr);

    blocking_request<State> asking;
    std::optional<key_type> kept;  // a close or the dial may destroy what `key` refers to
    const auto keep_key = [&] {
        if (!kept) kept.emplace(key.key);
    };
    const auto own_key = [&] { return kept ? typename State::hashed{key_view<key_type>(*kept), key.hash} : key; };

    if (state.submit(asking, key, keep_key) == request_state::lent) return asking.lent();
    for (;;) {
        switch (state.wait(asking, context.stop, deadline)) {
        case request_state::lent: return asking.lent();
        case request_state::closed: throw closed_error(state, own_key());
        case request_state::queue_full:
            throw wait_error<queue_full>(state, own_key(), "the wait queue is full", asking.last_error());
        case request_state::waiting: {
            const auto has_got_something = [&] {  // just before the cancellation
                state.cancel(asking);
                return asking.state() == request_state::lent || asking.state() == request_state::dialing;
            };
            try {
                keep_key();
            } catch (...) {
                if (has_got_something()) continue;
                throw;
            }
            if (has_got_something() || asking.state() == request_state::closed) continue;
            if (context.stop.stop_requested())
                throw wait_error<acquire_cancelled>(state, own_key(), "cancelled", asking.last_error());
            throw wait_error<acquire_timeout>(state, own_key(), "its deadline has passed", asking.last_error());
        }
        default: break;
        }

        typename State::entry* fresh = nullptr;
        try {
            keep_key();
            fresh = &state.dial(asking, dial, context);
        } catch (...) {
            state.dial_failed(asking, core::kept_text(std::current_exception()));
            throw;
        }
        state.dial_succeeded(asking, *fresh);  // it may go to an older request: this one then waits again
    }
}

/// The same, until the deadline of the context; a pool that bounds only the idle connections never waits.
template <class State, class Dial>
typename State::entry& acquire(
    State& state, const typename State::hashed& key, Dial& dial, const dial_context& context) {
    if constexpr (State::bounds_open)
        return core::acquire(state, key, dial, context, deadline_on(state.clock(), context));
    else return state.acquire(key, dial, context);
}

}  // namespace pool::core
