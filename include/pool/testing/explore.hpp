// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <tuple>
#include <utility>

#include <pool/core/saturating.hpp>
#include <pool/testing/exploration.hpp>
#include <pool/testing/kernel/search.hpp>
#include <pool/testing/scheduled_lock.hpp>

/// @file
/// Runs a test of a few threads under every schedule.

namespace pool::testing {

/// What `explore` has found.
struct findings {
    std::size_t schedules = 0;  ///< how many were run
    std::size_t redundant = 0;  ///< how many of them `skips_equivalent` has left before their end
    std::size_t steps = 0;      ///< of the longest
    bool all = false;           ///< whether these were all that there are within the limits
    bool bounded = false;       ///< whether `preemptions` has left some out
    std::string failure;        ///< what went wrong; empty if nothing did
    std::string replay;         ///< of the failed schedule
    int preemptions = 0;        ///< of the failed schedule; there is none with fewer
    std::string text;           ///< all of that in words, with the steps of the failed schedule

    explicit operator bool() const noexcept { return failure.empty(); }  ///< whether nothing went wrong
};

namespace kernel {

/// Runs one test again and again.
class explorer {
public:
    explorer(std::function<void(exploration&)> test, limits within)
        : within_{std::move(within)},
          test_{std::move(test), within_} {}

    findings explore() {
        findings found;
        if (!within_.replay.empty()) {
            search one{within_.replay};
            repeat(one, found, in(within_.time), 1);
        } else {
            const bool is_bounded = within_.preemptions != search::any_number;
            search every{within_.preemptions, within_.skips_equivalent && !is_bounded};
            repeat(every, found, in(within_.time), within_.schedules);
            if (!found) simplify(found);
        }
        explain(found);
        return found;
    }

private:
    using time_point = std::chrono::steady_clock::time_point;

    static time_point in(std::chrono::nanoseconds time) {
        return core::saturating_add(std::chrono::steady_clock::now(), time);
    }

    /// Runs the test until it fails, the search has no other schedule, or a limit is reached.
    void repeat(search& through, findings& found, time_point end, std::size_t most) {
        for (std::size_t runs = 1;; ++runs) {
            test_.run_once(through);
            ++found.schedules;
            found.redundant += through.is_redundant();
            found.steps = std::max(found.steps, test_.steps());
            if (!test_.failure().empty()) return keep(through, found);
            if (!through.next()) {
                found.all = true;
                found.bounded = through.was_bounded();
                return;
            }
            constexpr std::size_t between_looks = 64;
            if (runs >= most || (runs % between_looks == 0 && std::chrono::steady_clock::now() > end)) return;
        }
    }

    void keep(const search& through, findings& found) {
        found.failure = test_.failure();
        found.replay = through.letters();
        found.preemptions = through.preemptions();
        found.text = test_.text();
    }

    /// Looks for failures with fewer preemptions and, among the first of these, for the shortest one.
    void simplify(findings& found) {
        constexpr int enough = 16;
        const auto end = in(std::max<std::chrono::nanoseconds>(within_.time / 10, std::chrono::seconds{1}));
        bool is_better = false;
        for (int most = 0; most <= found.preemptions && !is_better; ++most) {
            search simpler{most};
            std::size_t shortest = search::none;
            for (int failures = 0; failures != enough; ++failures) {
                findings next;
                repeat(simpler, next, end, within_.schedules);
                if (next) break;
                if (test_.steps() < shortest) {
                    shortest = test_.steps();
                    std::tie(found.failure, found.replay, found.preemptions, found.text) =
                        std::tie(next.failure, next.replay, next.preemptions, next.text);
                    is_better = true;
                }
                if (!simpler.next()) break;
            }
        }
    }

    void explain(findings& found) const {
        const std::string count = std::to_string(found.schedules) + " schedules";
        if (found) {
            found.text = count + (!found.all ? ": not all" : found.bounded ? ": all with so few preemptions" : ": all");
            return;
        }
        const std::string replay = found.replay.empty() ? "it fails in each schedule" : "replay: " + found.replay;
        found.text = found.failure + "\n\n" + found.text + "\nschedules: " + std::to_string(found.schedules) +
                     ", preemptions: " + std::to_string(found.preemptions) + ", " + replay + '\n';
    }

    const limits within_;
    exploration test_;
};

}  // namespace kernel

/// Runs `test` under every schedule of its threads, within the limits, until one fails. `test` is called as
/// `test(exploration&)`, once for each schedule, and must do the same each time, but for the schedule. It makes its
/// objects anew, and runs its threads by `exploration::run`.
///
/// A run fails by `require`, by an invariant, by an exception that leaves a thread, by a deadlock, by a wait that nobody
/// ends, by misuse of a lock, or if it does not end. The failed schedule is one with the fewest preemptions.
///
/// Threads are switched where they lock, wait or notify without a lock, by the kit's types, and at calls of `at`.
/// Schedules that stop a thread elsewhere differ from these only if threads share data without a lock; the thread
/// sanitizer reports that, also in an exploration.
///
/// Throws `std::bad_alloc`, if there is no memory for the exploration itself. Explorations in several threads share
/// nothing.
inline findings explore(std::function<void(exploration&)> test, limits within = {}) {
    return kernel::explorer{std::move(test), std::move(within)}.explore();
}

}  // namespace pool::testing
