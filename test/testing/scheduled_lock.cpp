// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include <doctest/doctest.h>

#include <pool/policies/clock.hpp>
#include <pool/policies/lock.hpp>
#include <pool/testing/explore.hpp>
#include <pool/testing/scheduled_lock.hpp>

#include <testing/explored.hpp>

// The lock, the condition variable, the stop callback and the clock, each in small explorations.

using namespace std::chrono_literals;
using explored::outcomes;
using pool::testing::exploration;
using pool::testing::explore;
using pool::testing::findings;
using pool::testing::scheduled_clock;
using pool::testing::scheduled_condition;
using pool::testing::scheduled_lock;
using pool::testing::scheduled_stop_callback;

static_assert(pool::lock_policy<scheduled_lock>);
static_assert(pool::waiting_lock<scheduled_lock>);
static_assert(pool::clock_policy<scheduled_clock>);

namespace {

findings fails(const std::function<void(exploration&)>& body) {
    return explore([&](exploration& test) { test.run({{"one", [&] { body(test); }}}); });
}

}  // namespace

TEST_CASE("scheduled_lock: one thread has it at a time") {
    const findings found = explore([](exploration& test) {
        scheduled_lock lock;
        int inside = 0;
        const auto enter = [&] {
            const std::lock_guard guard{lock};
            test.require(lock.is_mine(), "who has it knows");
            test.require(++inside == 1, "one is inside");
            test.at("stays");
            --inside;
        };
        const auto look = [&] { test.require(!lock.is_mine(), "others do not have it"); };
        test.run({{"one", enter}, {"two", enter}, {"three", look}});
    });
    INFO(found.text);
    CHECK(found.all);
}

TEST_CASE("scheduled_lock: try_lock takes it, or does not wait") {
    const auto seen = outcomes([](exploration& test) {
        scheduled_lock lock;
        std::string got;
        test.run({{"one",
                      [&] {
                          const std::lock_guard guard{lock};
                          test.at("stays");
                      }},
            {"two", [&] {
                 const std::unique_lock guard{lock, std::try_to_lock};
                 got = guard ? "got it" : "did not";
             }}});
        return got;
    });
    CHECK(seen == std::set<std::string>{"got it", "did not"});
}

TEST_CASE("scheduled_lock: misuse is named") {
    CHECK(fails([](exploration&) { scheduled_lock{}.unlock(); }).failure == "one frees lock 1, which it does not have");
    CHECK(fails([](exploration&) { scheduled_lock{}.lock(); }).failure == "lock 1 is destroyed while it is taken");
    const auto end_a_wanted_one = [](exploration& test) {
        auto* const lock = new scheduled_lock;
        std::atomic<bool> is_gone = false;
        test.run({{"ending",
                      [&] {
                          { const std::lock_guard guard{*lock}; }
                          is_gone = true;
                          delete lock;
                      }},
            {"late", [&] {
                 if (!is_gone) const std::lock_guard guard{*lock};
             }}});
    };
    for (const bool skips : {false, true}) {
        const findings wanted = explore(end_a_wanted_one, {.skips_equivalent = skips});
        CHECK(wanted.failure == "lock 1 is destroyed while late wants it");
    }
    const findings needed = explore([](exploration& test) {
        std::optional<scheduled_lock> lock;
        lock.emplace();
        scheduled_condition changed;
        bool is_waiting = false;
        test.run({{"waiting",
                      [&] {
                          std::unique_lock guard{*lock};
                          is_waiting = true;
                          changed.wait_for(guard, 5ns);
                      }},
            {"ending", [&] {
                 {
                     const std::lock_guard guard{*lock};
                     if (!is_waiting) return;
                 }
                 lock.reset();
             }}});
    });
    CHECK(needed.failure == "lock 1 is destroyed while waiting wants it");
}

TEST_CASE("scheduled_lock: outside an exploration it can be taken, if it is free") {
    scheduled_lock lock;
    CHECK_FALSE(lock.is_mine());
    lock.lock();
    CHECK(lock.is_mine());
    CHECK_FALSE(lock.try_lock());
    lock.unlock();
    CHECK(lock.try_lock());
    lock.unlock();
    CHECK_FALSE(lock.is_mine());
    CHECK(scheduled_clock::now() == scheduled_clock::time_point{});
}

TEST_CASE("scheduled_condition: notify_one wakes any one that waits, notify_all each") {
    const auto served = [](bool all) {
        return outcomes([all](exploration& test) {
            scheduled_lock lock;
            scheduled_condition changed;
            int waiting = 0;
            int left = 0;
            std::string order;
            const auto wait = [&](char name) {
                return [&, name] {
                    std::unique_lock guard{lock};
                    ++waiting;
                    changed.wait(guard, [&] { return left > 0; });
                    --left;
                    order += name;
                    if (!all) changed.notify_one();
                };
            };
            const auto serve = [&] {
                const std::lock_guard guard{lock};
                left = 2;
                if (waiting != 2) order += '-';  // one or both come later
                if (all) changed.notify_all();
                else changed.notify_one();
            };
            test.run({{"one", wait('1')}, {"two", wait('2')}, {"three", serve}});
            return order;
        });
    };
    const std::set<std::string> any{"12", "21", "-12", "-21"};
    CHECK(served(true) == any);
    CHECK(served(false) == any);
}

TEST_CASE("scheduled_condition: a wait may end for no reason, if the limits say so") {
    const auto wait_once = [](exploration& test) {
        scheduled_lock lock;
        scheduled_condition changed;
        bool is_ready = false;
        std::string seen;
        test.run({{"waiting",
                      [&] {
                          std::unique_lock guard{lock};
                          if (!is_ready) changed.wait(guard);
                          seen = is_ready ? "ready" : "not ready";
                      }},
            {"working", [&] {
                 const std::lock_guard guard{lock};
                 is_ready = true;
                 changed.notify_one();
             }}});
        return seen;
    };
    CHECK(outcomes(wait_once) == std::set<std::string>{"ready"});
    CHECK(outcomes(wait_once, {.spurious_wake_ups = 1}) == std::set<std::string>{"ready", "not ready"});
}

TEST_CASE("scheduled_condition: a wait with a time may end by it, and time has passed then") {
    const auto seen = outcomes([](exploration& test) {
        scheduled_lock lock;
        scheduled_condition changed;
        bool is_ready = false;
        std::string how;
        test.run({{"waiting",
                      [&] {
                          std::unique_lock guard{lock};
                          if (is_ready) return;
                          const bool is_late = changed.wait_for(guard, 5ns) == std::cv_status::timeout;
                          const auto now = scheduled_clock::now().time_since_epoch();
                          how = (is_late ? "late at " : "in time at ") + std::to_string(now.count());
                      }},
            {"working", [&] {
                 const std::lock_guard guard{lock};
                 is_ready = true;
                 changed.notify_one();
             }}});
        return how;
    });
    CHECK(seen == std::set<std::string>{"", "late at 5", "in time at 0"});
}

TEST_CASE("scheduled_condition: a wait with a time and a predicate says whether it holds") {
    const auto seen = outcomes([](exploration& test) {
        scheduled_lock lock;
        scheduled_condition changed;
        bool is_ready = false;
        bool was_ready = false;
        test.run({{"waiting",
                      [&] {
                          std::unique_lock guard{lock};
                          was_ready = changed.wait_for(guard, 5ns, [&] { return is_ready; });
                      }},
            {"working", [&] {
                 const std::lock_guard guard{lock};
                 is_ready = true;
                 changed.notify_one();
             }}});
        return std::string{was_ready ? "ready" : "late"};
    });
    CHECK(seen == std::set<std::string>{"ready", "late"});
}

TEST_CASE("scheduled_condition: misuse is named") {
    const auto wait_unlocked = [](exploration&) {
        scheduled_lock lock;
        scheduled_condition changed;
        std::unique_lock guard{lock};
        lock.unlock();
        changed.wait(guard);
    };
    CHECK(fails(wait_unlocked).failure == "one frees lock 1, which it does not have");
    const findings ended = explore([](exploration& test) {
        scheduled_lock lock;
        std::optional<scheduled_condition> changed;
        changed.emplace();
        test.run({{"waiting",
                      [&] {
                          std::unique_lock guard{lock};
                          if (changed) changed->wait(guard);
                      }},
            {"ending", [&] {
                 const std::lock_guard guard{lock};
                 changed.reset();
             }}});
    });
    CHECK(ended.failure == "condition 1 is destroyed while waiting waits at it");
}

TEST_CASE("scheduled_stop_callback: its end waits until the callback has returned") {
    const auto seen = outcomes([](exploration& test) {
        std::stop_source stop;
        std::string how = "not called";
        bool is_gone = false;
        test.run({{"waiting",
                      [&] {
                          {
                              const auto call = [&] {
                                  how = "called";
                                  test.at("is in the callback");
                                  test.require(!is_gone, "the callback is there while it runs");
                              };
                              const scheduled_stop_callback<decltype(call)> callback{stop.get_token(), call};
                              test.at("goes on");
                          }
                          is_gone = true;
                      }},
            {"stopping", [&] {
                 test.at("requests a stop");
                 stop.request_stop();
             }}});
        return how;
    });
    CHECK(seen == std::set<std::string>{"called", "not called"});
}

TEST_CASE("scheduled_stop_callback: a callback may end itself") {
    const findings found = explore([](exploration& test) {
        std::stop_source stop;
        std::optional<scheduled_stop_callback<std::function<void()>>> callback;
        callback.emplace(stop.get_token(), [&] { callback.reset(); });
        test.run({{"stopping", [&] { stop.request_stop(); }}});
        test.require(!callback, "it is gone");
    });
    INFO(found.text);
    CHECK(found.all);
}

TEST_CASE("scheduled_clock: time passes when a thread lets it pass") {
    const auto seen = outcomes([](exploration& test) {
        std::string at;
        test.run({{"one", [&] { test.advance(3ns); }}, {"two", [&] {
                                                            test.at("reads the clock");
                                                            at = std::to_string(test.now().count());
                                                        }}});
        test.require(scheduled_clock::now().time_since_epoch() == 3ns, "it has passed");
        return at;
    });
    CHECK(seen == std::set<std::string>{"0", "3"});
}

TEST_CASE("exploration: counts those that sleep") {
    const findings found = explore([](exploration& test) {
        scheduled_lock lock;
        scheduled_condition changed;
        bool is_ready = false;
        std::size_t most = 0;
        test.invariant([&] {
            most = std::max(most, test.asleep());
            test.require(!is_ready || test.asleep() == 0, "nobody sleeps once it is ready");
        });
        test.run({{"waiting",
                      [&] {
                          std::unique_lock guard{lock};
                          changed.wait(guard, [&] { return is_ready; });
                      }},
            {"working", [&] {
                 const std::lock_guard guard{lock};
                 is_ready = true;
                 changed.notify_one();
             }}});
        test.require(most <= 1, "one waits");
    });
    INFO(found.text);
    CHECK(found.all);
}
