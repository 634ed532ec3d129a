// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <cstdint>

#include <doctest/doctest.h>

#include <support/choices.hpp>
#include <support/contest.hpp>

// Schedules of threads that contend for an `adaptive_mutex`. Few threads with few stops are tried in every way: nearly
// all mistakes show in these. More threads are tried at random.

using schedules::any_number;
using schedules::contest;
using schedules::patience;

namespace {

/// All schedules within the limits.
void run_every_way(contest& all) {
    every_way ways;
    int runs = 0;
    do {
        if (++runs == 20'000) FAIL("too many schedules");
        const bool holds = all.run([&](std::size_t end) { return ways.below(end); });
        if (!holds) FAIL(all.failure());
    } while (ways.next());
    MESSAGE(runs << " schedules");
}

/// Some of them.
void run_at_random(contest& all) {
    constexpr std::uint64_t seeds = 100;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        random_choices random{seed};
        const bool holds = all.run([&](std::size_t end) { return random.below(end); });
        if (!holds) FAIL("seed " << seed << '\n' << all.failure());
    }
    MESSAGE("seeds 1 to " << seeds);
}

}  // namespace

TEST_CASE("adaptive_mutex: two threads keep its rules, wherever they are stopped three times") {
    contest all{{2, 2}, {.stops = 3}};
    run_every_way(all);
}

TEST_CASE("adaptive_mutex: two threads keep its rules, wherever they are stopped while one has reserved it") {
    contest all{{4, 1}, {.stops = 2}};
    run_every_way(all);
    CHECK(all.reservations() > 0);
}

TEST_CASE("adaptive_mutex: three threads keep its rules, wherever one of them is stopped") {
    contest all{{1, 1, 1}, {.stops = 1}};
    run_every_way(all);
}

TEST_CASE("adaptive_mutex: three threads keep its rules, whoever runs while one has reserved it") {
    contest all{{3, 1, 1}, {.stops = 0}};
    run_every_way(all);
    CHECK(all.reservations() > 0);
}

TEST_CASE("adaptive_mutex: four threads keep its rules, wherever they happen to be stopped") {
    contest all{{4, 4, 4, 4}, {.stops = any_number}};
    run_at_random(all);
    CHECK(all.reservations() > 0);
}

TEST_CASE("adaptive_mutex: one of two threads that is woken in time is overtaken twice") {
    contest all{{6, 1}, {.stops = 1, .are_fair = true}};
    run_every_way(all);
    CHECK(all.most_overtaken() == patience);
}

TEST_CASE("adaptive_mutex: a thread that is woken in time is overtaken at most three times by each other thread") {
    contest three{{7, 1, 1}, {.stops = 0, .are_fair = true}};
    run_every_way(three);
    CHECK(three.most_overtaken() <= 3 * 2);
    contest four{{9, 9, 9, 9}, {.stops = any_number, .are_fair = true}};
    run_at_random(four);
    CHECK(four.most_overtaken() <= 3 * 3);
}

TEST_CASE("adaptive_mutex: a thread that is always the last to run is not overtaken more often") {
    contest unlucky{{1, 20, 20, 20}, {.stops = any_number, .are_fair = true, .is_first_unlucky = true}};
    run_at_random(unlucky);
    CHECK(unlucky.most_overtaken() <= 3 * 3);
}
