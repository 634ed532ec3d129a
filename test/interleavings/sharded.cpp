// SPDX-License-Identifier: BSL-1.0
#include <optional>

#include <doctest/doctest.h>

#include <pool/sharded_pool.hpp>

#include <interleavings/operations.hpp>

// Every pair of operations on a pool of two locks, and every operation beside a reaper.

using namespace interleavings;
using sharded =
    pool::sharded_pool<2, int, connection, pool::bounded, pool::after_idle, scheduled_lock, scheduled_clock>;

template <>
struct interleavings::maker<sharded> {
    static constexpr std::size_t max_idle = 4;
    static void make(std::optional<sharded>& into, const setting&, std::size_t) {
        into.emplace(pool::bounded{.max_idle = max_idle, .max_idle_per_key = 1}, pool::after_idle{time_to_live});
    }
};

TEST_CASE("a sharded pool: every pair of operations on two keys keeps its promises") {
    // Plain ones skip nothing: an invariant compares what one shard did with what another one did before. Nobody waits.
    const pool::testing::limits within{.preemptions = preemptions(no_bound, no_bound),
        .schedules = 1'000'000'000,
        .skips_equivalent = !is_plain};
    explore_from_each_start(common_operations<sharded>(), 2, {.keys = 2}, within).print("pairs");
}
