// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

#include <pool/core/saturating.hpp>
#include <pool/testing/exploration.hpp>
#include <pool/testing/kernel/last_words.hpp>
#include <pool/testing/kernel/search.hpp>
#include <pool/testing/scheduled_lock.hpp>

/// @file
/// Runs a test of a few threads under every schedule.

namespace pool::testing {

/// What `explore` has found.
struct findings {
    std::size_t schedules = 0;  ///< how many were run
    std::size_t redundant = 0;  ///< how many of them `skips_equivalent` has found, on the way, to be like others
    std::size_t steps = 0;      ///< of the longest
    bool all = false;           ///< whether there are no others, with so many `spurious_wake_ups` and `early_time_outs`
    int all_up_to = -1;         ///< if not all: whether these were all with at most so many preemptions; -1 if unknown
    std::string failure;        ///< what went wrong; empty if nothing did
    std::string replay;         ///< of the failed schedule
    int preemptions = 0;        ///< of the failed schedule: the fewest that were found
    std::string text;           ///< all of that in words, with the steps of the failed schedule

    explicit operator bool() const noexcept { return failure.empty(); }  ///< whether nothing went wrong

    /// Prints the text.
    friend std::ostream& operator<<(std::ostream& out, const findings& printed) { return out << printed.text; }
};

namespace kernel {

/// Runs one test again and again.
class explorer {
public:
    explorer(std::function<void(exploration&)> test, limits within)
        : within_{checked(std::move(within))},
          test_{std::move(test), within_} {}

    findings explore() {
        const last_words here{&scheduler::print_last_words};
        findings found;
        if (!within_.replay.empty()) {
            search one{within_.replay};
            repeat(one, found, in(within_.time), 1);
        } else if (within_.preemptions != search::any_number) {
            raise(found, within_.preemptions, in(within_.time));
        } else {
            search every{search::any_number, within_.skips_equivalent};
            found.all = repeat(every, found, in(within_.time / 2), std::max<std::size_t>(within_.schedules / 2, 1));
            if (found && !found.all) raise(found, 0, in(within_.time / 2));
        }
        if (!found && within_.replay.empty()) simplify(found);
        if (found && within_.replay.empty() && !test_.has_points()) {
            found.failure = "nothing was explored: no thread of `run` has taken a scheduled_lock, or called `at`";
            found.all = false;
        }
        explain(found);
        return found;
    }

private:
    using time_point = std::chrono::steady_clock::time_point;

    static time_point in(std::chrono::nanoseconds time) {
        return core::saturating_add(std::chrono::steady_clock::now(), time);
    }

    /// Runs all schedules with so many preemptions at most. If there is no such limit, then all with one more, and so
    /// on: where there are too many schedules, those come first that most mistakes show with.
    void raise(findings& found, int preemptions, time_point end) {
        for (bool is_all = true; found && is_all && !found.all; ++preemptions) {
            search few{preemptions};
            is_all =
                found.schedules < within_.schedules && repeat(few, found, end, within_.schedules - found.schedules);
            if (is_all) found.all_up_to = preemptions;
            found.all = is_all && !few.was_bounded();
            if (preemptions == within_.preemptions) return;
        }
    }

    /// Runs the test until it fails, the search has no other schedule, or a limit is reached. Returns whether there is
    /// no other.
    bool repeat(search& through, findings& found, time_point end, std::size_t most) {
        for (std::size_t runs = 1;; ++runs) {
            test_.run_once(through);
            if (test_.has_learned()) {
                through.restart();
                test_.run_once(through);
            }
            ++found.schedules;
            found.redundant += through.is_redundant();
            found.steps = std::max(found.steps, test_.steps());
            if (!test_.failure().empty()) {
                keep(through, found);
                return false;
            }
            if (!through.next()) return true;
            constexpr std::size_t between_looks = 64;
            if (runs >= most || (runs % between_looks == 0 && std::chrono::steady_clock::now() > end)) return false;
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
        test_.know(found.failure + "\n\n" + found.text + "replay: " + found.replay + '\n');
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
        if (found) {
            found.text = count_of(found.schedules, "schedule") + ": ";
            if (found.all) found.text += "all";
            else if (!within_.replay.empty()) found.text += "the replay, which does not fail";
            else if (found.all_up_to < 0) found.text += "not all";
            else found.text += "not all, but all with at most " + count_of(std::size_t(found.all_up_to), "preemption");
            if (!test_.has_locks()) found.text += "; no scheduled_lock was taken";
            return;
        }
        found.text = found.failure + "\n\n" + (found.text.empty() ? "" : found.text + '\n') +
                     "schedules: " + std::to_string(found.schedules) +
                     ", preemptions: " + std::to_string(found.preemptions) +
                     (found.replay.empty() ? "" : ", replay: " + found.replay) + '\n';
    }

    /// The limits, if they make sense.
    static limits checked(limits within) {
        const auto refuse_below = [](const char* name, auto least, auto given) {
            if (given >= least) return;
            throw std::invalid_argument{std::string{"pool: limits of an exploration: "} + name + " is " +
                                        std::to_string(given) + ", and must be at least " + std::to_string(least)};
        };
        refuse_below("preemptions", 0, within.preemptions);
        refuse_below("spurious_wake_ups", 0, within.spurious_wake_ups);
        refuse_below("early_time_outs", 0, within.early_time_outs);
        refuse_below("schedules", std::size_t{1}, within.schedules);
        refuse_below("time in nanoseconds", std::int64_t{1}, std::int64_t{within.time.count()});
        refuse_below("steps", std::size_t{1}, within.steps);
        return within;
    }

    const limits within_;
    exploration test_;
};

}  // namespace kernel

/// Runs `test` under every schedule of its threads, within the limits, until one fails. `test` is called as
/// `test(exploration&)`, once for each schedule, and must do the same each time, but for the schedule. It makes its
/// objects anew, and runs its threads by `exploration::run`.
///
/// A run fails by `require`, by an invariant, by an exception that leaves a thread, by a deadlock, by a wait that
/// nobody ends, by misuse of a lock, or if it does not end. The failed schedule is one with the fewest preemptions. If
/// a run ends the program, by an `assert` for example, its schedule is printed before.
///
/// First it looks for all schedules. If they are too many for half of the limits, it uses the other half for those with
/// no preemption, then with one more, and so on.
///
/// Threads are switched where they lock, try to lock, wait, or notify, by the kit's types, where a stop callback ends,
/// where they let time pass, in the fakes, and at calls of `at`; and where they unlock, if the test tries to lock. They
/// are not switched before a notification under a lock if no other thread can tell. Schedules that stop a thread
/// elsewhere differ from these only if threads share data without a lock. The thread sanitizer reports that, also in an
/// exploration, but not for atomics: a thread is to call `at` before it uses one.
///
/// There is no fairness. A thread that polls until another one has done something runs for ever in some schedule, which
/// fails then; so does `std::scoped_lock` with several locks, if there are more than two threads.
///
/// Throws `std::invalid_argument` if a limit is negative, or zero where nothing would be done, and `std::bad_alloc` if
/// there is no memory for the exploration itself. Explorations in several threads share nothing.
[[nodiscard]] inline findings explore(std::function<void(exploration&)> test, limits within = {}) {
    const kernel::unwatched own;
    return kernel::explorer{std::move(test), std::move(within)}.explore();
}

}  // namespace pool::testing
