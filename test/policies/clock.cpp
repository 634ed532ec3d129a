// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <ratio>
#include <stop_token>
#include <thread>

#include <doctest/doctest.h>

#include <pool/core/parking.hpp>
#include <pool/policies/clock.hpp>

#include <support/latch.hpp>

namespace {

using pool::core::sleep_until;

using namespace std::chrono_literals;
using pool::manual_clock;

// A sleeper that is not woken, or that sleeps where it should not, hangs. So most of these tests need no other
// assertion.

constexpr manual_clock::time_point at(std::chrono::nanoseconds since_start) {
    return manual_clock::time_point{since_start};
}

/// A real clock in any unit. It runs, and its `now()` is static.
template <class Duration>
struct ticking {
    using duration = Duration;
    using time_point = std::chrono::time_point<ticking, duration>;
    static constexpr bool is_steady = true;

    static time_point now() {
        return time_point{std::chrono::duration_cast<duration>(std::chrono::steady_clock::now().time_since_epoch())};
    }
};

/// A clock whose `now()` is not static, so its time is that of the object. It stands still.
struct stopped {
    using duration = std::chrono::seconds;
    using time_point = std::chrono::time_point<stopped, duration>;
    static constexpr bool is_steady = true;

    time_point now() const { return time; }
    time_point time{};
};

}  // namespace

TEST_CASE("coarse_clock: its times are those of the steady clock, at the last tick") {
    static_assert(pool::clock_policy<pool::coarse_clock>);
    CHECK(pool::coarse_clock::resolution() > 0ns);
    for (int i = 0; i != 1000; ++i) {
        const auto before = pool::coarse_clock::now();
        const auto exact = std::chrono::steady_clock::now();
        const auto after = pool::coarse_clock::now();
        CHECK(before <= after);
        CHECK(before <= exact);
    }
}

TEST_CASE("coarse_clock: it moves on, by whole ticks") {
    const auto start = pool::coarse_clock::now();
    auto later = start;
    while (later == start) later = pool::coarse_clock::now();
    CHECK(later > start);
}

TEST_CASE("manual_clock: it starts at zero and stands still") {
    const manual_clock clock;
    CHECK(clock.now() == at(0s));
    CHECK(clock.now() == at(0s));
}

TEST_CASE("manual_clock: it is moved forth and back, and set") {
    manual_clock clock;
    clock.advance(30s);
    CHECK(clock.now() == at(30s));
    clock.advance(-40s);
    CHECK(clock.now() == at(-10s));
    clock.set(at(5s));
    CHECK(clock.now() == at(5s));
}

TEST_CASE("manual_clock: its time saturates [C18]") {
    manual_clock clock;
    clock.set(manual_clock::time_point::max() - 1ns);
    clock.advance(1h);
    CHECK(clock.now() == manual_clock::time_point::max());
    clock.set(manual_clock::time_point::min() + 1ns);
    clock.advance(-1h);
    CHECK(clock.now() == manual_clock::time_point::min());
}

TEST_CASE("manual_clock: copies share one time, whichever is moved") {
    manual_clock mine;
    auto given = mine;
    mine.advance(1s);
    CHECK(given.now() == at(1s));
    given.advance(1s);
    CHECK(mine.now() == at(2s));
}

TEST_CASE("manual_clock: two clocks are independent, until one is assigned to the other") {
    manual_clock first;
    manual_clock second;
    first.advance(1s);
    CHECK(second.now() == at(0s));
    second = first;
    first.advance(1s);
    CHECK(second.now() == at(2s));
}

TEST_CASE("manual_clock: a copy outlives the original") {
    auto original = std::make_unique<manual_clock>();
    const auto copy = *original;
    original->advance(1s);
    original.reset();
    CHECK(copy.now() == at(1s));
}

TEST_CASE("sleep_until: it does not wait for a time that has come") {
    manual_clock clock;
    clock.set(at(5s));
    sleep_until(clock, at(5s), {});
    sleep_until(clock, at(4s), {});
    sleep_until(clock, manual_clock::time_point::min(), {});
}

TEST_CASE("sleep_until: it does not wait after a stop was requested") {
    std::stop_source stop;
    stop.request_stop();
    sleep_until(manual_clock{}, manual_clock::time_point::max(), stop.get_token());
    sleep_until(std::chrono::steady_clock{}, std::chrono::steady_clock::time_point::max(), stop.get_token());
}

TEST_CASE("sleep_until: a manual clock wakes its sleeper at the time, and not before") {
    manual_clock clock;
    latch started{1};
    std::atomic<bool> woken{false};
    auto woke_at = std::async(std::launch::async, [&] {
        started.count_down();
        sleep_until(clock, at(100s), {});
        woken = true;
        return clock.now();
    });
    started.wait();
    for (int second = 1; second != 100; ++second) {
        clock.advance(1s);
        CHECK(!woken);
    }
    clock.advance(1s);
    CHECK(woke_at.get() == at(100s));
}

TEST_CASE("sleep_until: setting a copy of the clock wakes all its sleepers") {
    manual_clock clock;
    manual_clock copy = clock;
    latch started{2};
    const auto sleep = [&] {
        started.count_down();
        sleep_until(clock, at(10s), {});
    };
    const std::jthread first{sleep};
    const std::jthread second{sleep};
    started.wait();
    copy.set(at(10s));
}

TEST_CASE_TEMPLATE("sleep_until: a stop wakes the sleeper", Clock, manual_clock, std::chrono::steady_clock, stopped) {
    latch started{1};
    std::jthread sleeper{[&](const std::stop_token& stop) {
        started.count_down();
        while (!stop.stop_requested()) sleep_until(Clock{}, Clock::time_point::max(), stop);
    }};
    started.wait();
    sleeper.request_stop();
    sleeper.join();
}

TEST_CASE("sleep_until: a real clock wakes its sleeper by itself") {
    using std::chrono::steady_clock;
    const auto until = steady_clock::now() + 1ms;
    while (steady_clock::now() < until) sleep_until(steady_clock{}, until, {});
}

TEST_CASE("sleep_until: the time is that of the clock object") {
    const stopped clock{.time = stopped::time_point{5s}};
    sleep_until(clock, stopped::time_point{5s}, {});
}

TEST_CASE_TEMPLATE("sleep_until: the end of the range does not overflow in any unit [C18]", Duration,
    std::chrono::nanoseconds, std::chrono::seconds, std::chrono::days, std::chrono::duration<double>,
    std::chrono::duration<std::int64_t, std::ratio<1, 3>>) {
    using clock = ticking<Duration>;
    static_assert(pool::clock_policy<clock>);
    std::stop_source stop;
    stop.request_stop();
    sleep_until(clock{}, clock::time_point::max(), stop.get_token());
    sleep_until(clock{}, clock::time_point::min(), {});
}
