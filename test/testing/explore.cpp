// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <testing/explored.hpp>

// What an exploration runs, and what it finds.

using namespace std::chrono_literals;
using namespace explored;

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

TEST_CASE("explore: a test in which nothing can be explored fails") {
    const std::string nothing = "nothing was explored: no thread of `run` has taken a scheduled_lock, or called `at`";
    CHECK(explore([](exploration&) {}).failure == nothing);
    CHECK_FALSE(explore([](exploration&) {}).all);
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

TEST_CASE("explore: each invariant is checked") {
    const auto with = [](bool first, bool second) {
        return explore([=](exploration& test) {
            scheduled_lock lock;
            test.invariant([&] { test.require(first, "the first"); });
            test.invariant([&] { test.require(second, "the second"); });
            test.run({{"one", [&] { const std::lock_guard guard{lock}; }}});
        }).failure;
    };
    CHECK(with(true, true).empty());
    CHECK(with(false, true) == "this does not hold: the first");
    CHECK(with(true, false) == "this does not hold: the second");
}

TEST_CASE("explore: says that no lock was taken, where only at was called") {
    const findings found = explore([](exploration& test) {
        const auto go = [&] { test.at("goes"); };
        test.run({{"one", go}, {"two", go}});
    });
    CHECK(found.all);
    CHECK(says(found, " schedules: all; no scheduled_lock was taken"));
}

TEST_CASE("explore: two threads that wait at one condition with two locks fail the run") {
    const findings found = explore([](exploration& test) {
        scheduled_lock first;
        scheduled_lock second;
        scheduled_condition changed;
        const auto wait = [&](scheduled_lock& with) {
            return [&] {
                std::unique_lock guard{with};
                changed.wait(guard);
            };
        };
        test.run({{"one", wait(first)}, {"two", wait(second)}});
    });
    CHECK(found.failure == "two waits at condition 1 with lock 2, and another thread waits there with another lock");
}
