// SPDX-License-Identifier: BSL-1.0
#include <chrono>

#include <doctest/doctest.h>

#include <interleavings/operations.hpp>

// Every pair of operations on a pool that bounds what is open, from each start, under every schedule.

using namespace interleavings;

namespace {

/// Every schedule; with a sanitizer, those in which threads are stopped once.
pool::testing::limits limits_of_pairs() {
    return {.preemptions = preemptions(no_bound, no_bound),
        .spurious_wake_ups = has_thread_sanitizer ? 0 : 1,
        .skips_equivalent = true};
}

}  // namespace

TEST_CASE(
    "a pool that bounds what is open: every pair of operations on one key keeps its promises [C1, C2, C11, C16]") {
    const pool::testing::limits within = limits_of_pairs();
    explore_from_each_start(open_operations(), 2, {}, within).print("pairs in strict order");
    explore_from_each_start(open_operations(), 2, {.patience = patience}, within).print("pairs with patience");
}

TEST_CASE("a pool that bounds what is open: a dial that may be interrupted keeps its promises [C24, C25]") {
    const pool::testing::limits within = limits_of_pairs();
    explore_from_each_start(interrupting_operations<open_pool>(), 2, {}, within).print("pairs");
}

TEST_CASE("a pool that bounds what is open: every pair of operations on two keys keeps its promises") {
    if (!is_plain && !is_full_tier()) {
        MESSAGE("by default, only without sanitizers");
        return;
    }
    for (const start from : {start::empty, start::one_idle, start::one_lent}) {
        const pool::testing::limits within{
            .spurious_wake_ups = is_full_tier() ? 1 : 0, .schedules = 1'000'000'000, .skips_equivalent = true};
        explore_all(open_operations(), 2, {.from = from, .keys = 2}, within).print("pairs");
    }
}
