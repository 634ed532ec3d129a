// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <pool/dial.hpp>
#include <pool/testing.hpp>

#include <testing/explored.hpp>

// How a test holds a thread, with real threads and in an exploration.

using namespace pool::testing;
using explored::says;

TEST_CASE("gate: closes again, and counts who comes") {
    gate here;
    here.open();
    here.pass();
    here.await_arrivals();
    here.close();
    std::jthread late{[&] { here.pass(); }};
    here.await_arrivals(2);
    here.open();
}

TEST_CASE("gate: says whether it has let a thread pass, even if it is closed again") {
    gate here;
    bool has_passed = false;
    std::jthread early{[&] { has_passed = here.pass(pool::dial_context{}); }};
    here.await_arrivals();
    here.open();
    here.close();
    early.join();
    CHECK(has_passed);
    CHECK_FALSE(here.pass({.deadline = std::chrono::steady_clock::now()}));
    here.open();
    CHECK(here.pass({.deadline = std::chrono::steady_clock::now()}));
}

TEST_CASE("gate: opened and closed in an exploration, it lets pass those who waited") {
    int passed = 0;
    const auto found = explore([&](exploration& test) {
        gate here;
        fake_dialer dials;
        dials.next(hangs(here));
        const auto dial = [&] {
            dials().close();
            ++passed;
        };
        const auto open = [&] {
            here.await_arrivals();
            here.open();
            here.close();
        };
        test.run({{"dials", dial}, {"opens", open}});
    });
    CHECK_MESSAGE(found, found.text);
    CHECK(found.all);
    CHECK(passed > 2);
}

TEST_CASE("gate: a thread of an exploration awaits others at it") {
    const auto explore_arrivals = [](int count) {
        return explore([count](exploration& test) {
            gate here;
            std::atomic<int> left = 0;
            const auto pass = [&] {
                here.pass();
                ++left;
            };
            const auto open = [&] {
                here.await_arrivals(count);
                test.require(left == 0, "nobody passes a closed gate");
                here.open();
            };
            test.run({{"one", pass}, {"two", pass}, {"opens", open}});
        });
    };
    for (const int count : {0, 1, 2}) {
        const auto found = explore_arrivals(count);
        CHECK_MESSAGE(found, found.text);
        CHECK(found.all);
    }
    CHECK(says(explore_arrivals(3), "opens cannot go on: it waits for threads to come to a gate"));
}

TEST_CASE("gate: it may be passed under a lock, but what hangs under a lock is found") {
    const auto explore_passing = [](const auto& pass) {
        return explore([pass](exploration& test) {
            gate here;
            scheduled_lock lock;
            const auto hold = [&] {
                const std::lock_guard guard{lock};
                pass(here);
            };
            test.run({{"holds", hold}, {"wants", [&] { const std::lock_guard guard{lock}; }},
                {"opens", [&] { here.open(); }}});
        });
    };
    const auto passed = explore_passing([](gate& here) { here.pass(); });
    CHECK_MESSAGE(passed, passed.text);
    CHECK(passed.all);
    CHECK(says(explore_passing([](gate& here) { hangs(here)(); }), "a thread hangs under a lock"));
}

TEST_CASE("gate: two threads of an exploration pass it in all orders") {
    const auto found = explore([](exploration& test) {
        gate here;
        int passed = 0;
        scheduled_lock lock;
        const auto pass = [&] {
            here.pass();
            const std::lock_guard guard{lock};
            ++passed;
        };
        test.run({{"one", pass}, {"two", pass}, {"opens", [&] { here.open(); }}});
        test.require(passed == 2, "both have passed");
    });
    CHECK_MESSAGE(found, found.text);
    CHECK(found.all);
}
