// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>

#include <interleavings/operations.hpp>

// Every pair of operations on a pool that bounds what is idle, from each start, under every schedule.

using namespace interleavings;

TEST_CASE(
    "a pool that bounds what is idle: every pair of operations on one key keeps its promises [C1, C2, C11, C16]") {
    explore_from_each_start(idle_operations(), 2, {}, {.spurious_wake_ups = 1, .skips_equivalent = true})
        .print("pairs");
}

TEST_CASE("a pool that bounds what is idle: every pair of operations on two keys keeps its promises") {
    explore_from_each_start(idle_operations(), 2, {.keys = 2}, {.spurious_wake_ups = 1, .skips_equivalent = true})
        .print("pairs");
}

TEST_CASE("a pool that bounds what is idle: a dial that may be interrupted keeps its promises [C24, C25]") {
    const pool::testing::limits within{.spurious_wake_ups = 1, .skips_equivalent = true};
    explore_from_each_start(interrupting_operations<idle_pool>(), 2, {}, within).print("pairs");
}

TEST_CASE("a pool that bounds what is idle: three operations keep its promises, where three threads are stopped") {
    if (!is_plain) {
        MESSAGE("only without sanitizers");
        return;
    }
    pool::testing::limits within{.preemptions = 3, .schedules = 100'000'000, .skips_equivalent = true};
    if (is_full_tier()) within.preemptions = pool::testing::limits{}.preemptions;
    explore_all(idle_operations(), 3, {}, within).print("triples");
}
