// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <pool/testing/explore.hpp>
#include <pool/testing/gate.hpp>
#include <pool/testing/scheduled_lock.hpp>

#include <testing/explored.hpp>

// Where a thread may be stopped, and what is decided there: in code as a user writes it. The chosen programs have the rest.

using namespace std::chrono_literals;
using namespace explored;
using pool::testing::scheduled_clock;
using pool::testing::scheduled_stop_callback;

namespace {

using texts = std::set<std::string>;

}  // namespace

TEST_CASE("choice points: a thread may be stopped before a notification without a lock") {
    const auto seen = outcomes([](exploration& test) {
        scheduled_lock lock;
        scheduled_condition changed;
        std::string how;
        test.run({{"waiting",
                      [&] {
                          std::unique_lock guard{lock};
                          how = changed.wait_for(guard, 5ns) == std::cv_status::timeout ? "late" : "in time";
                      }},
            {"notifying", [&] { changed.notify_one(); }}});
        return how;
    });
    CHECK(seen == texts{"late", "in time"});
}

TEST_CASE("choice points: notify_one may wake any thread that waits") {
    const auto seen = outcomes([](exploration& test) {
        scheduled_lock lock;
        scheduled_condition changed;
        int waiting = 0;
        bool is_over = false;
        std::string woken;
        const auto wait = [&] {
            std::unique_lock guard{lock};
            if (is_over) return;
            const int number = ++waiting;
            changed.wait(guard);
            woken += std::to_string(number);
            changed.notify_one();
        };
        const auto notify = [&] {
            const std::lock_guard guard{lock};
            is_over = true;
            changed.notify_one();
        };
        test.run({{"one", wait}, {"two", wait}, {"three", wait}, {"notifying", notify}});
        return woken;
    });
    CHECK(seen == texts{"", "1", "12", "21", "123", "132", "213", "231", "312", "321"});
}

TEST_CASE("choice points: a thread may be stopped before it tries to take a lock, and while it has one that others try "
          "to take") {
    const auto seen = outcomes([](exploration& test) {
        scheduled_lock lock;
        std::atomic<bool> is_written = false;
        std::string order;
        test.run({{"keeping",
                      [&] {
                          const std::lock_guard guard{lock};
                          is_written = true;
                      }},
            {"trying", [&] {
                 const bool was_written = is_written;
                 const std::unique_lock guard{lock, std::try_to_lock};
                 order = std::string{was_written ? "written" : "not written"} + (guard ? ", free" : ", taken");
             }}});
        return order;
    });
    CHECK(seen == texts{"not written, free", "not written, taken", "written, free", "written, taken"});
}

TEST_CASE("choice points: a search begins anew when it finds that a thread tries to take a lock") {
    // Which schedules are possible is only known once somebody tries, in a later run than the first.
    std::multiset<std::string> orders;
    std::size_t runs = 0;
    const findings found = explore([&](exploration& test) {
        scheduled_lock lock;
        std::atomic<bool> is_stopped = false;
        explored::notes order;
        test.run({{"one",
                      [&] {
                          const std::lock_guard guard{lock};
                          order.add('1');
                      }},
            {"two",
                [&] {
                    test.at("looks");
                    if (!is_stopped) return;
                    const std::unique_lock guard{lock, std::try_to_lock};
                    order.add(guard ? '2' : '-');
                }},
            {"three", [&] {
                 test.at("stops");
                 is_stopped = true;
             }}});
        ++runs;
        orders.insert(order.text());
    });
    CHECK(found.all);
    CHECK(std::set<std::string>(orders.begin(), orders.end()) == texts{"1", "12", "21", "1-"});
    CHECK(runs > found.schedules);  // those before the new begin are not counted
}

TEST_CASE("choice points: a thread may be stopped before it lets time pass") {
    const auto seen = outcomes([](exploration& test) {
        std::atomic<bool> begins = false;
        std::string at;
        test.run({{"one",
                      [&] {
                          begins = true;
                          test.advance(3ns);
                      }},
            {"two", [&] {
                 test.at("reads the clock");
                 at = (begins ? "begun, at " : "not begun, at ") + std::to_string(test.now().count());
             }}});
        return at;
    });
    CHECK(seen == texts{"not begun, at 0", "begun, at 0", "begun, at 3"});
}

TEST_CASE("choice points: a thread may be stopped before it ends a stop callback") {
    const auto seen = outcomes([](exploration& test) {
        std::stop_source stop;
        std::string how = "not called";
        std::atomic<bool> is_set_up = false;
        test.run({{"waiting",
                      [&] {
                          const auto call = [&] { how = "called"; };
                          const scheduled_stop_callback<decltype(call)> callback{stop.get_token(), call};
                          is_set_up = true;
                      }},
            {"stopping", [&] {
                 test.at("requests a stop");
                 if (is_set_up) stop.request_stop();
                 else how = "too early";
             }}});
        return how;
    });
    CHECK(seen == texts{"called", "not called", "too early"});
}

TEST_CASE("choice points: wait_for counts from now") {
    const auto seen = outcomes([](exploration& test) {
        scheduled_lock lock;
        scheduled_condition changed;
        test.run({{"one", [&] {
                       test.advance(7ns);
                       std::unique_lock guard{lock};
                       (void)changed.wait_for(guard, 5ns);
                   }}});
        return std::to_string(test.now().count());
    });
    CHECK(seen == texts{"12"});
}

TEST_CASE("choice points: a wait says that it is late if its time is over when it has its lock again") {
    const auto seen = outcomes(
        [](exploration& test) {
            scheduled_lock lock;
            scheduled_condition changed;
            bool is_waiting = false;
            std::string how = "never";
            test.run({{"waiting",
                          [&] {
                              std::unique_lock guard{lock};
                              is_waiting = true;
                              how = changed.wait_for(guard, 5ns) == std::cv_status::timeout ? "late" : "in time";
                          }},
                {"notifying", [&] {
                     const std::lock_guard guard{lock};
                     if (!is_waiting) return;
                     changed.notify_one();
                     test.advance(5ns);
                     how = "overwritten";
                 }}});
            return how;
        },
        {.early_time_outs = 0});
    CHECK(seen == texts{"late"});
}

TEST_CASE("choice points: two threads that wait for the same go on in either order, also with skips") {
    const findings found = explore(
        [](exploration& test) {
            const bool is_blocked = false;
            const auto pass = [&] { test.wait_while("waits", is_blocked); };
            test.run({{"one", pass}, {"two", pass}});
        },
        {.skips_equivalent = true});
    CHECK(found.schedules - found.redundant == 4);  // one may be done before the other one begins
}

TEST_CASE("choice points: a gate that is closed again holds who comes later") {
    const findings found = explore([](exploration& test) {
        pool::testing::gate here;
        here.open();
        here.close();
        test.run({{"one", [&] { here.pass(); }}});
    });
    CHECK(found.failure == "a deadlock\n  one cannot go on: it waits at a gate");
}
