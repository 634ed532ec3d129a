// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>

#include <doctest/doctest.h>

#include <pool/testing/explore.hpp>
#include <testing/explored_programs.hpp>
#include <testing/reference.hpp>
#include <testing/small_programs.hpp>

/// @file
/// Compares what is seen of a small program: in explorations of all kinds, and in the reference.

namespace small_programs {

using pool::testing::exploration;
using pool::testing::explore;
using pool::testing::findings;
using pool::testing::limits;
using pool::testing::kernel::search;

inline constexpr std::size_t most_states = 50'000;  ///< of a program that is compared

/// A search is broken off when it has had so many. The stacks of a run that gets stuck are kept, so there may be only a few.
inline constexpr std::size_t most_stuck = 8;
inline bool includes(const std::set<std::string>& all, const std::set<std::string>& some) {
    return std::includes(all.begin(), all.end(), some.begin(), some.end());
}

/// What is seen is in the reference; and if those were all runs, it is all of that.
inline void check_same(const explored& got, const reference& expected) {
    CHECK(got.other_failure == "");
    CHECK(includes(expected.ends, got.ends));
    CHECK(includes(expected.stuck, got.stuck));
    CHECK(includes(expected.visible, got.visible));
    if (!got.is_complete) return;
    CHECK(got.ends.size() == expected.ends.size());
    CHECK(got.stuck.size() == expected.stuck.size());
    CHECK(got.visible.size() == expected.visible.size());
}

/// With at most so many preemptions, there are the same runs as without a bound, but for those that have more.
inline void check_bound(const program& threads, const limits& within, const explored& every, int bound) {
    CAPTURE(bound);
    std::set<std::string> expected;
    std::size_t count = 0;
    for (const auto& [preemptions, seen] : every.preemptions) {
        if (preemptions > bound) continue;
        expected.insert(seen);
        ++count;
    }
    const explored bounded = explore_all(threads, search{bound}, within, every.runs + 1, most_stuck + 1);
    std::set<std::string> seen = bounded.ends;
    seen.insert(bounded.stuck.begin(), bounded.stuck.end());
    CHECK(seen == expected);
    CHECK(bounded.runs == count);
}

/// `explore` sees all of it; or it fails with as few preemptions as any run that gets stuck, and tells how to repeat it.
inline void check_explore(const program& threads, limits within, const explored& every) {
    std::set<std::string> visible;
    std::set<std::string> ends;
    explored_run one{threads};
    const auto test = [&](exploration& run) {
        one(run, visible);
        ends.insert(one.seen());
    };
    const findings found = explore(test, within);
    CHECK(found.all == every.stuck.empty());
    if (found) {
        CHECK(ends == every.ends);
        CHECK((found.schedules == every.runs || every.has_begun_anew));
        return;
    }
    CHECK(found.preemptions == every.fewest_to_get_stuck);
    within.replay = found.replay;
    CHECK(explore(test, within).failure == found.failure);
    CHECK(every.stuck.count(one.seen()) == 1);
}

/// How far the explorations have come.
struct progress {
    std::size_t runs = 0;  ///< of the full search
    std::size_t runs_with_skips = 0;
    bool is_complete = false;
    bool is_complete_with_skips = false;
};

/// Explores a program with and without skips, with bounds, by `explore`, and, if it is small, with real threads. Of a
/// search with more runs than `most_runs`, only the first ones are compared.
inline progress compare(
    const program& threads, const limits& within, const reference& expected, std::size_t most_runs) {
    const explored some = explore_all(threads, search{search::any_number, true}, within, most_runs, most_stuck);
    check_same(some, expected);
    const explored every = explore_all(threads, search{}, within, most_runs, most_stuck);
    check_same(every, expected);
    if (every.is_complete) {
        for (int bound = 0; bound <= 3; ++bound) check_bound(threads, within, every, bound);
        check_explore(threads, within, every);
        constexpr std::size_t few = 60;  // real threads are slow
        limits with_threads = within;
        with_threads.uses_threads = true;
        if (every.stuck.empty() && every.runs <= few) check_explore(threads, with_threads, every);
    }
    return {every.runs, some.runs, every.is_complete, some.is_complete};
}

/// The reference, with the limits of an exploration.
inline reference expected_of(const program& threads, const limits& within) {
    return {threads, {within.spurious_wake_ups, within.early_time_outs}, most_states};
}

}  // namespace small_programs
