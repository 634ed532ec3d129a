// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <pool/testing/failure_plan.hpp>
#include <pool/testing/failure_point.hpp>
#include <pool/testing/kernel/schedule.hpp>
#include <pool/testing/scheduler.hpp>

/// @file
/// Runs a test again and again. In the n-th run the n-th failure point fails, until a run has none left.

namespace pool::testing {

/// What `explore_failures` does.
struct failure_options {
    bool persists = false;             ///< from the n-th point on, all of its kind fail in that run
    std::optional<point> only{};       ///< only points of this kind fail, and are counted
    std::uint64_t most_runs = 10'000;  ///< then it gives up, and says that the test does not end
};

/// One run, as its test sees it. Thread-safe, but for `require`.
class failure_run {
public:
    /// The run in which the n-th point fails.
    explicit failure_run(failure_plan::choice chosen) : plan_{chosen} {}

    /// Calls `act()`. Only in there, and only in this thread, failure points count and fail. Returns whether `act` has
    /// returned, and not thrown the failure. (It may have caught it.) What else it throws passes through.
    ///
    /// A test may call it several times, and from several threads. But which point is the n-th must not depend on the
    /// speed of the threads.
    template <class Act>
    bool during(Act&& act) {
        has_begun_ = true;
        const armed here{plan_};
        try {
            std::forward<Act>(act)();
            return true;
        } catch (const injected_failure&) {
        } catch (const std::bad_alloc&) {
            if (plan_.failed() != point::allocation) throw;
        }
        return false;
    }

    /// A run is wrong if `holds` is false, and the result says it. `what` says what should hold, and may say what was seen:
    /// each of them is printed, as by `<<`, one after the other.
    template <class... Printed>
    void require(bool holds, const Printed&... what) {
        const kernel::unwatched own;
        if (!holds) broken_.push_back(kernel::printed("this does not hold: ", what...));
    }

    /// Whether `during` was called.
    bool has_begun() const noexcept { return has_begun_; }

    /// Whether a point has failed so far.
    bool has_failed() const noexcept { return plan_.failed().has_value(); }

    /// The counts, and what has failed.
    const failure_plan& plan() const noexcept { return plan_; }

    /// The rules that were broken.
    const std::vector<std::string>& broken() const noexcept { return broken_; }

private:
    failure_plan plan_;
    std::atomic<bool> has_begun_{false};
    std::vector<std::string> broken_;
};

/// The result. It is true if no run was wrong, and something was tested.
struct failures_result {
    std::uint64_t runs = 0;                                  ///< one for each point, and the last, without a failure
    std::array<std::uint64_t, point_names.size()> counts{};  ///< how many points of each kind have failed
    bool lacks_allocations = false;  ///< whether allocations should have failed, but cannot fail in this program
    std::vector<std::string> wrong;  ///< one line for each run that was wrong

    /// How many points have failed in all.
    std::uint64_t points() const noexcept {
        std::uint64_t sum = 0;
        for (const std::uint64_t each : counts) sum += each;
        return sum;
    }

    /// How many of this kind.
    std::uint64_t points(point kind) const noexcept { return counts[static_cast<std::size_t>(kind)]; }

    /// Whether no run was wrong.
    explicit operator bool() const noexcept { return wrong.empty(); }

    /// "9 failure points: 5 allocations, 3 copies, 1 dial", and the lines of what was wrong.
    std::string text() const {
        constexpr std::array several{
            "allocations", "copies", "moves", "hashes", "comparisons", "dials", "closes", "hooks"};
        const disarmed unnoticed;
        std::string text = kernel::count_of(points(), "failure point");
        const char* separator = ": ";
        for (std::size_t kind = 0; kind != counts.size(); ++kind) {
            if (counts[kind] == 0) continue;
            text += std::exchange(separator, ", ") + kernel::count_of(counts[kind], point_names[kind], several[kind]);
        }
        if (lacks_allocations)
            text += "; allocations do not fail, because no source file includes <pool/testing/failing_allocation.hpp>";
        for (const std::string& each : wrong) text += '\n' + each;
        return text;
    }

    /// Prints the text.
    friend std::ostream& operator<<(std::ostream& out, const failures_result& printed) { return out << printed.text(); }

    /// Adds those of another test.
    failures_result& operator+=(const failures_result& other) {
        const disarmed unnoticed;
        runs += other.runs;
        for (std::size_t kind = 0; kind != counts.size(); ++kind) counts[kind] += other.counts[kind];
        lacks_allocations |= other.lacks_allocations;
        wrong.insert(wrong.end(), other.wrong.begin(), other.wrong.end());
        return *this;
    }
};

/// While one lives, a call of `std::terminate` says which failure led to it. Then it goes the way that it would have gone.
/// One that an exploration has abandoned stays.
class terminate_report {
public:
    terminate_report() {
        const std::scoped_lock guard{shared().mutex};
        if (shared().count++ == 0) shared().before = std::set_terminate(&say);
    }
    terminate_report(const terminate_report&) = delete;
    terminate_report& operator=(const terminate_report&) = delete;
    ~terminate_report() {
        const std::scoped_lock guard{shared().mutex};
        if (--shared().count == 0) std::set_terminate(shared().before);
    }

private:
    struct installed {
        std::mutex mutex;  ///< guards `count`
        int count = 0;     ///< how many reports live; the first installs, the last restores
        std::terminate_handler before = nullptr;
    };

    /// The handler is one for the whole program, and so is this.
    static installed& shared() noexcept {
        static installed one;
        return one;
    }

    [[noreturn]] static void say() {
        const failure_plan* const plan = failure_plan::of_this_thread();
        if (plan != nullptr) std::fprintf(stderr, "std::terminate was called: %s\n", plan->text().c_str());
        if (shared().before != nullptr) shared().before();
        std::abort();
    }
};

/// Calls `test(run)` until a run has no failure, with a new `failure_run` each time. In the n-th run the n-th point fails.
/// A test makes all that it uses, does something in `run.during`, and then checks, by `run.require` or by its framework,
/// that nothing is lost, and that what has failed is as it was before. A run is wrong if it breaks a rule, or if the test
/// throws. It is wrong, too, if the test never calls `run.during`, or if there is no failure point at all in a program
/// whose allocations cannot fail: nothing was tested then.
///
/// It finds what the test looks at, an exception where none may be, and misuse of the fakes: a connection that is lost, or
/// closed twice. A lease that is kept for good is found by `run.require(dials.open() == 0, ...)` after the pool has gone.
/// Memory that is leaked is found by the address sanitizer, at the end of the program: compile the test with it, too.
///
/// @code
/// const auto result = explore_failures([](failure_run& run) {
///     fake_dialer dials;
///     my_pool pool;
///     const bool done = run.during([&] { pool.use("a", dials); });
///     run.require(dials.open() == (done ? 1 : 0), "a connection that was not kept is closed");
/// });
/// if (!result) FAIL(result.text());
/// @endcode
template <class Test>
[[nodiscard]] failures_result explore_failures(Test test, failure_options options = {}) {
    if (options.most_runs == 0) misused("most_runs of explore_failures is 0");
    const terminate_report reports;
    failures_result result;
    result.lacks_allocations =
        options.only.value_or(point::allocation) == point::allocation && !kernel::can_allocations_fail();
    for (std::uint64_t n = 1;; ++n) {
        failure_run run{{n, options.persists, options.only}};
        std::string thrown;
        try {
            test(run);
        } catch (const std::exception& error) {
            const disarmed unnoticed;
            thrown = std::string{"the test has thrown: "} + error.what();
        } catch (...) {
            const disarmed unnoticed;
            thrown = "the test has thrown";
        }
        const disarmed unnoticed;
        const auto add = [&](const std::string& what) {
            result.wrong.push_back("in run " + std::to_string(n) + ", in which " + run.plan().text() + ": " + what);
        };
        if (!thrown.empty()) add(thrown);
        for (const std::string& each : run.broken()) add(each);
        ++result.runs;
        const auto failed = run.plan().failed();
        if (!failed) {
            if (!run.has_begun() && result)
                result.wrong.emplace_back("nothing was tested: the test does not call during");
            else if (result.lacks_allocations && result.points() == 0 && result)
                result.wrong.emplace_back("nothing was tested: there was no failure point");
            return result;
        }
        ++result.counts[static_cast<std::size_t>(*failed)];
        if (n == options.most_runs) {
            result.wrong.push_back("there is still a failure point after " + kernel::count_of(n, "run"));
            return result;
        }
    }
}

}  // namespace pool::testing
