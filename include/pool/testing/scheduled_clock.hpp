// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>

#include <pool/testing/exploration.hpp>

/// @file
/// The clock of an exploration.

namespace pool::testing {

/// The time of the exploration that runs in the calling thread. It passes when the test lets it pass, and when a wait
/// times out. A ClockPolicy.
struct scheduled_clock {
    using duration = std::chrono::nanoseconds;                              ///< as `std::chrono` names it
    using rep = duration::rep;                                              ///< as `std::chrono` names it
    using period = duration::period;                                        ///< as `std::chrono` names it
    using time_point = std::chrono::time_point<scheduled_clock, duration>;  ///< as `std::chrono` names it
    static constexpr bool is_steady = true;                                 ///< it is never set back

    /// Since the begin of this run of the test; zero outside an exploration.
    static time_point now() noexcept {
        const auto* const all = static_cast<exploration*>(scheduler::running());
        return time_point{all != nullptr ? all->now() : duration::zero()};
    }
};

}  // namespace pool::testing
