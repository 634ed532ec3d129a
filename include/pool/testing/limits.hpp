// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include <pool/testing/kernel/search.hpp>

/// @file
/// The limits of an exploration.

namespace pool::testing {

/// How far `explore` goes.
struct limits {
    /// In one schedule, how often a thread may be stopped that could go on. Most mistakes show with two.
    int preemptions = kernel::search::any_number;
    /// In one schedule, how often a wait may end for no reason, as those of condition variables may.
    int spurious_wake_ups = 0;
    /// In one schedule, how often a wait may time out, or be late, although a thread could go on. Set it for threads
    /// that wait again and again, as those that look after something: their schedules do not end otherwise.
    int early_time_outs = kernel::search::any_number;
    std::size_t schedules = 1'000'000;                        ///< in all, but for those that simplify a failed one
    std::chrono::nanoseconds time = std::chrono::minutes{1};  ///< in all; real time
    std::size_t steps = 5'000;                                ///< of one schedule: one that has more does not end
    /// Leaves out schedules that differ only in the order of steps that have no lock and no condition variable in
    /// common. Right, if the threads share nothing else: what they share is touched with a `scheduled_lock` held, or at
    /// a call of `at`. And if an invariant looks only at the present: each state is still seen, but not each way to it.
    /// It saves much where there are several locks. It has no effect where there are bounds on preemptions.
    bool skips_equivalent = false;
    /// Each thread of the test is a real one, for code that asks for the thread's id. Slower by a factor of fifty.
    /// Where there are no fibers, as on Windows, this is always so.
    bool uses_threads = false;
    std::string replay = {};  ///< runs the one schedule that has these letters, with the same limits; failures print it
};

}  // namespace pool::testing
