// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pool/testing/failure_point.hpp>

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

    /// States a rule of the test. A run that breaks one is wrong, and the result says it.
    void require(bool is_so, const char* rule) {
        if (!is_so) broken_.emplace_back(rule);
    }

    /// Whether a point has failed so far.
    bool has_failed() const noexcept { return plan_.failed().has_value(); }

    /// The counts, and what has failed.
    const failure_plan& plan() const noexcept { return plan_; }

    /// The rules that were broken.
    const std::vector<std::string>& broken() const noexcept { return broken_; }

private:
    failure_plan plan_;
    std::vector<std::string> broken_;
};

/// The result. It is true if no run was wrong.
struct failures_result {
    std::uint64_t runs = 0;                                  ///< one for each point, and the last, without a failure
    std::array<std::uint64_t, point_names.size()> points{};  ///< how many of each kind have failed
    std::vector<std::string> wrong;                          ///< one line for each run that was wrong

    /// How many points have failed in all.
    std::uint64_t all() const noexcept {
        std::uint64_t sum = 0;
        for (const std::uint64_t each : points) sum += each;
        return sum;
    }

    /// Whether no run was wrong.
    explicit operator bool() const noexcept { return wrong.empty(); }

    /// "9 failure points: 4 allocation, 3 copy, 2 dial", and the lines of what was wrong.
    std::string text() const {
        std::string text = std::to_string(all()) + " failure points";
        const char* separator = ": ";
        for (std::size_t kind = 0; kind != points.size(); ++kind) {
            if (points[kind] == 0) continue;
            text += std::exchange(separator, ", ") + std::to_string(points[kind]) + ' ' + point_names[kind];
        }
        for (const std::string& each : wrong) text += '\n' + each;
        return text;
    }

    /// Adds those of another test.
    failures_result& operator+=(const failures_result& other) {
        runs += other.runs;
        for (std::size_t kind = 0; kind != points.size(); ++kind) points[kind] += other.points[kind];
        wrong.insert(wrong.end(), other.wrong.begin(), other.wrong.end());
        return *this;
    }
};

/// While it lives, a call of `std::terminate` says which failure led to it.
class terminate_report {
public:
    terminate_report() noexcept : before_{std::set_terminate(&say)} {}
    terminate_report(const terminate_report&) = delete;
    terminate_report& operator=(const terminate_report&) = delete;
    ~terminate_report() { std::set_terminate(before_); }

private:
    [[noreturn]] static void say() {
        const failure_plan* const plan = failure_plan::of_this_thread();
        const disarmed unnoticed;
        const std::string what = plan == nullptr ? "no failure point in this thread" : plan->text();
        std::fprintf(stderr, "std::terminate was called: %s\n", what.c_str());
        std::abort();
    }

    const std::terminate_handler before_;
};

/// Calls `test(run)` until a run has no failure, with a new `failure_run` each time. In the n-th run the n-th point fails.
/// A test makes all that it uses, does something in `run.during`, and then checks, by `run.require` or by its framework,
/// that nothing is lost, and that what has failed is as it was before. A run is wrong if it breaks a rule, or if the test
/// throws.
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
failures_result explore_failures(Test test, failure_options options = {}) {
    const terminate_report reports;
    failures_result result;
    for (std::uint64_t n = 1;; ++n) {
        failure_run run{{n, options.persists, options.only}};
        std::vector<std::string> wrong;
        try {
            test(run);
        } catch (const std::exception& error) {
            wrong.emplace_back("the test has thrown: " + std::string{error.what()});
        } catch (...) {
            wrong.emplace_back("the test has thrown");
        }
        wrong.insert(wrong.end(), run.broken().begin(), run.broken().end());
        for (const std::string& each : wrong)
            result.wrong.push_back("in run " + std::to_string(n) + ", in which " + run.plan().text() + ": " + each);
        ++result.runs;
        const auto failed = run.plan().failed();
        if (!failed) return result;
        ++result.points[static_cast<std::size_t>(*failed)];
        if (n == options.most_runs) {
            result.wrong.push_back("there is still a failure point after " + std::to_string(n) + " runs");
            return result;
        }
    }
}

}  // namespace pool::testing
