// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <cstdint>

#include <doctest/doctest.h>

#include <support/chance.hpp>
#include <testing/comparison.hpp>
#include <testing/small_programs.hpp>

// Random programs of a few threads. What is seen in all of their schedules is compared with what a reference finds.

TEST_CASE("random programs: an exploration sees what a reference sees, with and without skips, and within each bound") {
    using namespace small_programs;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // slower by far
    constexpr int in_all = 25;
#else
    constexpr int in_all = 100;
#endif
    int programs = 0;
    int complete = 0;
    int complete_with_skips = 0;
    int can_get_stuck = 0;
    std::size_t runs = 0;
    std::size_t runs_with_skips = 0;
    for (std::uint64_t seed = 1; programs != in_all; ++seed) {
        random_choices source{seed};
        chance by{source};
        const program threads = random_program(by);
        limits within;
        within.spurious_wake_ups = by.one_in(3);
        if (by.one_in(3)) within.early_time_outs = static_cast<int>(by.below(3));
        const reference expected = expected_of(threads, within);
        constexpr std::size_t fewest = 3;  // a program that ends in fewer ways tells little
        if (!expected.is_complete || expected.ends.size() + expected.stuck.size() < fewest) continue;

        INFO("seed ", seed, ", spurious wake-ups: ", within.spurious_wake_ups,
            ", early time-outs: ", within.early_time_outs, text_of(threads));
        const progress made = compare(threads, within, expected, 4'000);
        ++programs;
        complete += made.is_complete;
        complete_with_skips += made.is_complete_with_skips;
        can_get_stuck += made.is_complete_with_skips && !expected.stuck.empty();
        runs += made.runs;
        runs_with_skips += made.runs_with_skips;
    }
    MESSAGE(programs, " programs; all ", runs, " runs of ", complete, ", all ", runs_with_skips, " runs with skips of ",
        complete_with_skips, "; ", can_get_stuck, " can get stuck");
}
