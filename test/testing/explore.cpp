// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/testing/explore.hpp>
#include <pool/testing/scheduled_lock.hpp>

// What an exploration runs, what it finds, and what it says.

using namespace std::chrono_literals;
using pool::testing::exploration;
using pool::testing::explore;
using pool::testing::findings;
using pool::testing::limits;
using pool::testing::scheduled_condition;
using pool::testing::scheduled_lock;

namespace {

/// What threads write without a lock of the exploration. Its mutex keeps the thread sanitizer quiet.
class notes {
public:
    void add(char what) {
        const std::lock_guard guard{mutex_};
        text_ += what;
    }
    std::string text() const {
        const std::lock_guard guard{mutex_};
        return text_;
    }

private:
    mutable std::mutex mutex_;
    std::string text_;
};

bool says(const findings& found, const std::string& what) { return found.text.find(what) != std::string::npos; }

/// Two threads that add to a number in two steps: they read it, and write it later.
void add_in_two_steps(exploration& test) {
    scheduled_lock lock;
    int number = 0;
    const auto add = [&] {
        int read = 0;
        {
            const std::lock_guard guard{lock};
            read = number;
        }
        const std::lock_guard guard{lock};
        number = read + 1;
    };
    test.run({{"one", add}, {"two", add}});
    test.require(number == 2, "both have added");
}

/// Takes two locks, in one order or in the other.
void take_crosswise(exploration& test) {
    scheduled_lock first;
    scheduled_lock second;
    test.run({{"one",
                  [&] {
                      const std::lock_guard outer{first};
                      const std::lock_guard inner{second};
                  }},
        {"two", [&] {
             const std::lock_guard outer{second};
             const std::lock_guard inner{first};
         }}});
}

}  // namespace

TEST_CASE("explore: runs every schedule, each once") {
    std::multiset<std::string> orders;
    const findings found = explore([&](exploration& test) {
        notes order;
        const auto twice = [&](char name) {
            return [&test, &order, name] {
                test.at("writes");
                order.add(name);
                test.at("writes");
                order.add(name);
            };
        };
        test.run({{"one", twice('1')}, {"two", twice('2')}});
        orders.insert(order.text());
    });
    CHECK(found);
    CHECK(found.all);
    CHECK(found.schedules == orders.size());
    CHECK(std::set<std::string>(orders.begin(), orders.end()) ==
          std::set<std::string>{"1122", "1212", "1221", "2112", "2121", "2211"});
    CHECK(says(found, std::to_string(found.schedules) + " schedules: all"));
}

TEST_CASE("explore: finds what two threads do to each other between two locked steps") {
    const findings found = explore(add_in_two_steps);
    REQUIRE_FALSE(found);
    CHECK(found.failure == "this does not hold: both have added");
    CHECK(found.preemptions == 1);
    CHECK(found.text == R"(this does not hold: both have added

    1  one       takes lock 1
    2  one       frees lock 1
       one       -- is stopped here; its next step: takes lock 1
    3  two       takes lock 1
    4  two       frees lock 1
    5  two       takes lock 1
    6  two       frees lock 1
    7  two       ends
    8  one       takes lock 1
    9  one       frees lock 1
   10  one       ends

schedules: )" + std::to_string(found.schedules) +
                            ", preemptions: 1, replay: " + found.replay + '\n');
}

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
    CHECK(refusal({.preemptions = -1}) ==
          "pool: limits of an exploration: preemptions is -1, and must be at least 0");
    CHECK(refusal({.spurious_wake_ups = -2}).find("spurious_wake_ups is -2") != std::string::npos);
    CHECK(refusal({.early_time_outs = -1}).find("early_time_outs is -1") != std::string::npos);
    CHECK(refusal({.schedules = 0}).find("schedules is 0, and must be at least 1") != std::string::npos);
    CHECK(refusal({.time = 0s}).find("time is 0") != std::string::npos);
    CHECK(refusal({.steps = 0}).find("steps is 0") != std::string::npos);
}

TEST_CASE("explore: a test in which nothing can be explored fails") {
    const std::string nothing = "nothing was explored: no thread of `run` has taken a scheduled_lock, or called `at`";
    CHECK(explore([](exploration&) {}).failure == nothing);
    CHECK(explore([](exploration& test) { test.run({}); }).failure == nothing);
    CHECK(explore([](exploration& test) {
        std::mutex unknown;
        const auto lock = [&] { const std::lock_guard guard{unknown}; };
        test.run({{"one", lock}, {"two", lock}});
    }).failure == nothing);
    CHECK(explore([](exploration& test) {
        scheduled_lock lock;
        test.run({{"one", [&] { const std::lock_guard guard{lock}; }}});
        test.invariant([] {});
    }).failure == "an invariant is set, and run is not called after that: nothing looks at it");
}

TEST_CASE("explore: a thread cannot run threads itself") {
    CHECK(explore([](exploration& test) {
        test.run({{"one", [&] { test.run({{"two", [] {}}}); }}});
    }).failure == "run is called by one, which such a call runs itself");
    CHECK(explore([](exploration& test) {
        test.run(std::vector<exploration::thread>(31, {"one of many", [] {}}));
    }).failure == "31 threads: 30 are the most");
    CHECK(explore([](exploration& test) {
        scheduled_lock lock;
        const std::lock_guard guard{lock};
        test.run({{"one", [] {}}});
    }).failure == "run is called with a lock held: no invariant would be looked at");
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
        bool has_begun = false;
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

TEST_CASE("explore: after a run that has failed under a lock, the invariant of the next one is checked") {
    int runs = 0;
    int looks = 0;
    const findings found = explore([&](exploration& test) {
        scheduled_lock lock;
        looks = 0;
        test.invariant([&] { ++looks; });
        test.run({{"one", [&] {
                       const std::lock_guard guard{lock};
                       test.require(++runs != 1, "it is not the first");
                   }}});
    });
    CHECK_FALSE(found);
    CHECK(runs == 2);
    CHECK(looks > 1);
}

TEST_CASE("explore: finds a deadlock, and says who has what") {
    const findings found = explore(take_crosswise);
    REQUIRE_FALSE(found);
    CHECK(found.preemptions == 1);
    CHECK(says(found, "a deadlock\n"
                      "  one cannot go on: it takes lock 2, which two has\n"
                      "  two cannot go on: it takes lock 1, which one has\n"));
}

TEST_CASE("explore: a thread that takes a lock twice waits for itself") {
    const findings found = explore([](exploration& test) {
        scheduled_lock lock;
        test.run({{"one", [&] {
                       const std::lock_guard outer{lock};
                       const std::lock_guard inner{lock};
                   }}});
    });
    CHECK(says(found, "one cannot go on: it takes lock 1, which it has"));
}

TEST_CASE("explore: finds a wait that nobody ends") {
    const findings found = explore([](exploration& test) {
        scheduled_lock lock;
        scheduled_condition changed;
        bool is_ready = false;
        test.run({{"waiting",
                      [&] {
                          {
                              const std::lock_guard guard{lock};
                              if (is_ready) return;
                          }
                          std::unique_lock guard{lock};  // too late: it may be ready by now
                          changed.wait(guard);
                      }},
            {"working", [&] {
                 const std::lock_guard guard{lock};
                 is_ready = true;
                 changed.notify_one();
             }}});
    });
    REQUIRE_FALSE(found);
    INFO(found.text);
    CHECK(found.preemptions == 1);
    CHECK(says(found, "a lost wake-up: nobody is left to notify those that wait\n  waiting waits since step 8\n"));
}

TEST_CASE("explore: finds a notification without the lock, between the look and the wait") {
    const findings found = explore([](exploration& test) {
        scheduled_lock lock;
        scheduled_condition changed;
        std::atomic<bool> is_ready = false;
        test.run({{"waiting",
                      [&] {
                          std::unique_lock guard{lock};
                          if (!is_ready) changed.wait(guard);
                      }},
            {"working", [&] {
                 is_ready = true;
                 changed.notify_one();
             }}});
    });
    CHECK(says(found, "a lost wake-up"));
}

TEST_CASE("explore: an exception that leaves a thread fails the run") {
    const findings known = explore([](exploration& test) {
        test.run({{"one", [] { throw std::runtime_error{"no way"}; }}});
    });
    CHECK(known.failure == "an exception leaves one: no way");
    const findings unknown = explore([](exploration& test) { test.run({{"one", [] { throw 1; }}}); });
    CHECK(unknown.failure == "an exception leaves one, which is no std::exception");
    const findings itself = explore([](exploration&) { throw std::runtime_error{"nothing to test"}; });
    CHECK(itself.failure == "an exception leaves the test: nothing to test");
}

TEST_CASE("explore: an exception that is caught in a thread belongs to that thread") {
    const findings found = explore([](exploration& test) {
        const auto fail_and_go_on = [&] {
            try {
                throw std::runtime_error{"no"};
            } catch (const std::runtime_error&) {
                test.at("handles the error");
                test.require(std::uncaught_exceptions() == 0, "nothing is on its way");
                try {
                    throw;
                } catch (const std::runtime_error& error) {
                    test.require(error.what() == std::string{"no"}, "the same error");
                }
            }
        };
        struct at_unwinding {
            exploration& test;
            ~at_unwinding() {
                test.at("unwinds");
                test.require(std::uncaught_exceptions() == 1, "one is on its way");
            }
        };
        const auto unwind = [&] {
            try {
                const at_unwinding here{test};
                throw std::logic_error{"another"};
            } catch (const std::logic_error&) {
            }
        };
        test.run({{"one", fail_and_go_on}, {"two", fail_and_go_on}, {"three", unwind}});
    });
    INFO(found.text);
    CHECK(found);
    CHECK(found.all);
}

TEST_CASE("explore: an invariant is checked at every point where no lock is held") {
    const auto explore_with = [](bool unlocks_in_between) {
        return explore([unlocks_in_between](exploration& test) {
            scheduled_lock lock;
            int idle = 1;
            int lent = 0;
            test.invariant([&] {
                const std::lock_guard guard{lock};
                test.require(idle + lent == 1, "there is one");
            });
            test.run({{"one", [&] {
                           std::unique_lock guard{lock};
                           --idle;
                           test.at("has the lock");  // others see nothing of that
                           if (unlocks_in_between) {
                               guard.unlock();
                               guard.lock();
                           }
                           ++lent;
                       }}});
            idle = 7;  // the invariant ends with `run`
            const std::lock_guard guard{lock};
        });
    };
    CHECK(explore_with(false));
    const findings found = explore_with(true);
    CHECK(found.failure == "this does not hold: there is one");
    CHECK(says(found, "    3  one       frees lock 1\n\n"));  // there it broke
}

TEST_CASE("explore: a test that does not do the same in each run is told so") {
    const auto differs = [](bool has_third) {
        int runs = 0;
        return explore([&, has_third](exploration& test) {
            const bool is_second = ++runs == 2;
            const auto step = [&] { test.at("makes a step"); };
            std::vector<exploration::thread> all{
                {"one", is_second ? std::function<void()>{[] {}} : step}, {"two", step}};
            if (has_third) all.push_back({"three", step});
            test.run(std::move(all));
        });
    };
    CHECK(differs(false).failure ==
          "the test does not do the same in each run: the run before went on where this one has ended");
    CHECK(differs(true).failure == "the test does not do the same in each run. In the run before, at this place: one "
                                   "goes on, or two goes on, or three goes on. Now: two goes on, or three goes on");
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

TEST_CASE("explore: with real threads, finds the same") {
    const findings fibers = explore(add_in_two_steps);
    const findings threads = explore(add_in_two_steps, {.uses_threads = true});
    CHECK(threads.text == fibers.text);
    std::set<std::thread::id> ids;
    const findings all = explore(
        [&](exploration& test) {
            const auto tell = [&] {
                test.at("tells its id");
                ids.insert(std::this_thread::get_id());
            };
            test.run({{"one", tell}, {"two", tell}});
        },
        {.uses_threads = true});
    CHECK(all.all);
    CHECK(ids.size() == 2);
}

TEST_CASE("explore: explorations in two threads share nothing") {
    findings other;
    std::thread second{[&] { other = explore(add_in_two_steps); }};
    const findings own = explore(add_in_two_steps);
    second.join();
    CHECK(own.text == other.text);
    CHECK_FALSE(own);
}

TEST_CASE("explore: a test may run several sets of threads") {
    const findings found = explore([](exploration& test) {
        scheduled_lock lock;
        int sum = 0;
        const auto add = [&] {
            const std::lock_guard guard{lock};
            ++sum;
        };
        test.run({{"one", add}, {"two", add}});
        test.require(sum == 2, "both");
        test.run({{"three", add}, {"four", add}, {"five", add}});
        test.require(sum == 5, "all");
        test.run({});
    });
    CHECK(found.all);
    CHECK(found.schedules > 6);
}

TEST_CASE("explore: misuse that a part of the kit reports fails the run") {
    const findings found = explore([](exploration& test) {
        test.run({{"one", [] { pool::testing::misused("connection 7: closed twice"); }}});
    });
    CHECK(found.failure == "connection 7: closed twice");
}
