// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include <pool/dial.hpp>
#include <pool/testing/failure_plan.hpp>
#include <pool/testing/gate.hpp>
#include <pool/testing/held_locks.hpp>
#include <pool/testing/scheduler.hpp>

/// @file
/// Actions of a fake when it is dialled, used or closed. A test gives these functions to a `fake_dialer` and to the
/// `far_end` of a connection. Any other function will do as well.

namespace pool::testing {

/// Throws a `std::runtime_error` with this text.
inline auto fails(std::string why) {
    return [why = std::move(why)](const auto&...) {
        const disarmed unnoticed;
        throw std::runtime_error{why};
    };
}

/// Blocks until the test opens the gate. A dial that blocks throws a `std::runtime_error` at the deadline of its
/// context, which is one of real time, and when a stop is requested. To hang under a lock of the kit is reported as a
/// mistake of the code that calls it.
inline auto hangs(gate& until) {
    struct action {
        gate* until;
        void operator()() const { (*this)(dial_context{}); }
        void operator()(const dial_context& context) const {
            if (is_under_lock()) misused("a thread hangs under a lock");
            if (until->pass(context)) return;
            const disarmed unnoticed;
            throw std::runtime_error{"the dial was given up"};
        }
    };
    return action{&until};
}

/// Takes that long: it moves the clock. `Clock` is a `manual_clock`, or has copies that share one time, too.
template <class Clock, class Duration>
auto takes(Clock clock, Duration time) {
    return [clock = std::move(clock), time](const auto&...) mutable { clock.advance(time); };
}

}  // namespace pool::testing
