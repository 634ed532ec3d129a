// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <testing/explored.hpp>

// How far an exploration goes, and what it says.

using namespace std::chrono_literals;
using namespace explored;

TEST_CASE("explore: a replay repeats the failed run, and nothing else") {
    const findings found = explore(add_in_two_steps);
    const findings again = explore(add_in_two_steps, {.replay = found.replay});
    CHECK_FALSE(again);
    CHECK(again.schedules == 1);
    CHECK(again.replay == found.replay);
    CHECK(again.failure == found.failure);
    const findings one_after_the_other = explore(add_in_two_steps, {.replay = "A"});
    CHECK(one_after_the_other);
    CHECK_FALSE(one_after_the_other.all);
    CHECK(says(one_after_the_other, "1 schedule: the replay, which does not fail"));
}

TEST_CASE("explore: says what is wrong with a replay") {
    const auto failure = [](std::string replay) { return explore(add_in_two_steps, {.replay = replay}).failure; };
    CHECK(failure("AZ") == "this replay is not of this test: its letter 2 is 'Z', but the last option there is 'B'");
    CHECK(failure("?") == "this replay is not of this test: its letter 1 is '?', but the last option there is 'B'");
    CHECK(failure("AAAAAAAAAAAA") == "this replay is not of this test: it has ended, and the replay goes on");
}

TEST_CASE("explore: if there are too many schedules, those with few preemptions come first") {
    const auto begin_in_turn = [](exploration& test) {
        notes order;
        const auto work = [&](char name) {
            return [&, name] {
                for (int i = 0; i != 8; ++i) {
                    test.at("makes a step");
                    order.add(name);
                }
            };
        };
        test.run({{"one", work('1')}, {"two", work('2')}, {"three", work('3')}});
        test.require(!order.text().starts_with("1231"), "no begin in turn, as in ", order.text());
    };
    const findings found = explore(begin_in_turn, {.schedules = 50'000});
    CHECK_FALSE(found);
    CHECK(found.preemptions == 3);
    CHECK(says(found, "this does not hold: no begin in turn, as in 1231111111"));
    const findings none = explore(begin_in_turn, {.schedules = 2'000});
    CHECK(none);
    CHECK_FALSE(none.all);
    CHECK(none.all_up_to == 1);
    CHECK(says(none, "2000 schedules: not all, but all with at most 1 preemption"));
}

TEST_CASE("explore: refuses limits with which nothing is explored") {
    const auto refusal = [](const pool::testing::limits& within) -> std::string {
        try {
            (void)explore(add_in_two_steps, within);
        } catch (const std::invalid_argument& error) {
            return error.what();
        }
        return "none";
    };
    CHECK(refusal({.preemptions = -1}) == "pool: limits of an exploration: preemptions is -1, and must be at least 0");
    CHECK(refusal({.spurious_wake_ups = -2}).find("spurious_wake_ups is -2") != std::string::npos);
    CHECK(refusal({.early_time_outs = -1}).find("early_time_outs is -1") != std::string::npos);
    CHECK(refusal({.schedules = 0}).find("schedules is 0, and must be at least 1") != std::string::npos);
    CHECK(refusal({.time = 0s}).find("time in nanoseconds is 0, and must be at least 1") != std::string::npos);
    CHECK(refusal({.steps = 0}).find("steps is 0") != std::string::npos);
}

TEST_CASE("explore: a thread without a name has its number") {
    const findings found = explore([](exploration& test) {
        test.run({{"", [&] { test.at("goes"); }}, {"", [] { throw std::runtime_error{"no"}; }}});
    });
    CHECK(found.failure == "an exception leaves thread 2: no");
}

TEST_CASE("explore: of a long run it prints the first steps and the last ones") {
    const findings found = explore([](exploration& test) {
        test.run({{"one", [&] {
                       for (int i = 0; i != 1'000; ++i) test.at("goes on");
                       test.require(false, "nothing");
                   }}});
    });
    CHECK(says(found, "   50  one       goes on\n       ... 800 lines left out\n  851  one       goes on\n"));
    CHECK(says(found, " 1000  one       goes on\n\nschedules: "));
}

TEST_CASE("explore: times are printed in their units") {
    const findings found = explore([](exploration& test) {
        scheduled_lock lock;
        scheduled_condition never;
        test.run({{"one", [&] {
                       test.advance(5us);
                       std::unique_lock guard{lock};
                       never.wait_for(guard, 3ms);
                       test.advance(-2s);
                   }}});
    });
    CHECK(found.failure == "a clock is set back, by 2 s");
    CHECK(says(found, "lets 5 us pass\n"));
    CHECK(says(found, "times out, at 3005 us\n"));
}

TEST_CASE("explore: with fewer preemptions than a mistake needs, it does not show") {
    const findings none = explore(add_in_two_steps, {.preemptions = 0});
    CHECK(none);
    CHECK_FALSE(none.all);
    CHECK(none.all_up_to == 0);
    CHECK(says(none, "2 schedules: not all, but all with at most 0 preemptions"));
    CHECK_FALSE(explore(add_in_two_steps, {.preemptions = 1}));
}

TEST_CASE("explore: a failure is told with the fewest preemptions, also if another one is found first") {
    const auto second_before_the_end = [](exploration& test) {
        std::atomic<bool> has_begun = false;
        test.run({{"one",
                      [&] {
                          test.at("makes its first step");
                          test.at("makes its last step");
                          test.require(!has_begun, "two has not begun");
                      }},
            {"two", [&] {
                 test.at("begins");
                 has_begun = true;
                 test.at("ends");
             }}});
    };
    const findings found = explore(second_before_the_end);
    CHECK(found.preemptions == 0);
    CHECK(says(found, "    1  two       begins\n    2  two       ends\n    3  two       ends\n    4  one       makes"));
}

TEST_CASE("explore: calls of at with the numbers of two objects have nothing in common") {
    const auto touch = [](std::int64_t second) {
        return explore(
            [second](exploration& test) {
                test.run({{"one", [&] { test.at("touches #", 0); }}, {"two", [&] { test.at("touches #", second); }}});
            },
            {.skips_equivalent = true});
    };
    const findings same = touch(0);
    const findings apart = touch(1);
    CHECK(same.schedules - same.redundant == 2);
    CHECK(apart.schedules - apart.redundant == 1);
}

TEST_CASE("explore: with a bound, no schedules are taken for equivalent") {
    const auto apart = [](exploration& test) {
        scheduled_lock locks[2];
        const auto work = [&](scheduled_lock& own) {
            return [&own] {
                { const std::lock_guard guard{own}; }
                const std::lock_guard guard{own};
            };
        };
        test.run({{"one", work(locks[0])}, {"two", work(locks[1])}});
    };
    CHECK(explore(apart, {.skips_equivalent = true}).schedules < explore(apart).schedules);
    for (int most = 0; most <= 2; ++most) {
        const findings every = explore(apart, {.preemptions = most});
        const findings same = explore(apart, {.preemptions = most, .skips_equivalent = true});
        CHECK(same.schedules == every.schedules);
        CHECK(same.redundant == 0);
        CHECK(same.all_up_to == every.all_up_to);
    }
}

TEST_CASE("explore: a schedule that does not end fails") {
    const findings found = explore(
        [](exploration& test) {
            test.run({{"one", [&] {
                           for (;;) test.at("goes on");
                       }}});
        },
        {.steps = 20});
    CHECK(found.failure == "it does not end: more than 20 steps");
    CHECK(found.steps == 21);
}

TEST_CASE("explore: stops at its limits, and says that these were not all") {
    const findings few = explore(
        [](exploration& test) {
            test.run({{"one", [&] { test.at("a"); }}, {"two", [&] { test.at("b"); }}});
        },
        {.schedules = 2});
    CHECK(few);
    CHECK_FALSE(few.all);
    CHECK(few.schedules == 2);
    CHECK(says(few, "2 schedules: not all"));
    const findings late = explore(take_crosswise, {.preemptions = 0, .time = 1ns});
    CHECK(late.schedules == 2);  // it looks at the time every 64 schedules
}

TEST_CASE("explore: skips schedules that are equivalent, and still finds the mistake") {
    const auto with_locks_apart = [](exploration& test) {
        scheduled_lock locks[3];
        int number = 0;
        const auto work = [&](scheduled_lock& own) {
            return [&] {
                { const std::lock_guard guard{own}; }
                int read = 0;
                {
                    const std::lock_guard guard{locks[2]};
                    read = number;
                }
                { const std::lock_guard guard{own}; }
                const std::lock_guard guard{locks[2]};
                number = read + 1;
            };
        };
        test.run({{"one", work(locks[0])}, {"two", work(locks[1])}});
        test.require(number == 1 || number == 2, "one or both have added");
    };
    const findings every = explore(with_locks_apart);
    const findings some = explore(with_locks_apart, {.skips_equivalent = true});
    CHECK(every.all);
    CHECK(some.all);
    CHECK(some.schedules * 5 < every.schedules);
    CHECK_FALSE(explore(add_in_two_steps, {.skips_equivalent = true}));
    CHECK_FALSE(explore(take_crosswise, {.skips_equivalent = true}));
}

TEST_CASE("explore: a program may explore any number of tests") {
    const auto wait_in_turn = [](exploration& test) {
        scheduled_lock lock;
        const auto work = [&] { const std::lock_guard guard{lock}; };
        test.run({{"one", work}, {"two", work}, {"three", work}});
    };
    constexpr int many = 3'000;  // the thread sanitizer has room for 8,128 threads that are not over
    int good = 0;
    for (int i = 0; i != many; ++i) good += explore(wait_in_turn, {.replay = "A"}).failure.empty();
    CHECK(good == many);
}
