// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <latch>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/fake.hpp>

// A dial_context has a deadline of std::chrono::steady_clock. The pool may have another clock.

namespace context_deadlines_cases {

using namespace std::chrono_literals;

namespace {

using real = std::chrono::steady_clock;

/// A steady clock of its own type, which ticks in seconds, and tells how often it was read.
struct seconds_clock {
    using duration = std::chrono::duration<int>;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<seconds_clock, duration>;
    static constexpr bool is_steady = true;

    time_point now() const { return time_point{duration{1'000}}; }
};

template <class Clock>
using pool_of = pool::basic_pool<std::string, fake::connection, pool::bounded_open, pool::never, std::mutex, Clock>;

pool::dial_context until(real::time_point deadline) { return {.deadline = deadline}; }

}  // namespace

TEST_CASE("deadline_on: on the clock of the context, the deadline is what it is") {
    const auto deadline = real::time_point{12345ns};
    CHECK(pool::core::deadline_on(real{}, until(deadline)) == deadline);
    CHECK(pool::core::deadline_on(pool::coarse_clock{}, until(deadline)) == deadline);
    CHECK(pool::core::deadline_on(real{}, {}) == real::time_point::max());
}

TEST_CASE("deadline_on: on another clock, the deadline is as far away") {
    pool::manual_clock clock;
    clock.advance(1000h);
    const auto translated = pool::core::deadline_on(clock, until(real::now() + 1h));
    CHECK(translated > clock.now());
    CHECK(translated <= clock.now() + 1h);
    const auto coarse = pool::core::deadline_on(seconds_clock{}, until(real::now() + 10h));
    CHECK(coarse > seconds_clock{}.now());
    CHECK(coarse <= seconds_clock{}.now() + 10h);
}

TEST_CASE("deadline_on: one that has passed is now, one that is never stays never, and one far away saturates") {
    pool::manual_clock clock;
    clock.advance(1000h);
    CHECK(pool::core::deadline_on(clock, until(real::now())) == clock.now());
    CHECK(pool::core::deadline_on(clock, until(real::time_point::min())) == clock.now());
    CHECK(pool::core::deadline_on(clock, {}) == pool::manual_clock::time_point::max());
    CHECK(pool::core::deadline_on(seconds_clock{}, {}) == seconds_clock::time_point::max());
    clock.set(pool::manual_clock::time_point::max() - 1ns);
    CHECK(pool::core::deadline_on(clock, until(real::now() + 1000h)) == pool::manual_clock::time_point::max());
}

TEST_CASE_TEMPLATE("acquire: a context whose deadline has passed waits for nothing, whatever the clock", Clock, real,
    pool::coarse_clock, pool::manual_clock, seconds_clock) {
    fake::network net;
    pool_of<Clock> conns{{.max_open = 1}};
    const auto lent = conns.acquire("a", net.dialer());
    const auto passed = until(real::now() - 1s);
    CHECK_THROWS_AS((void)conns.acquire("a", net.dialer(), passed), pool::acquire_timeout);
    auto lazy = conns.get("a", net.dialer());
    CHECK_THROWS_AS(lazy.invoke(passed, [](fake::connection&) {}), pool::acquire_timeout);
    CHECK(net.dials() == 1);
    CHECK(conns.stats().waiting == 0);
}

TEST_CASE("acquire: a caller with a context waits until the pool's own clock has passed its deadline") {
    fake::network net;
    pool::manual_clock clock;
    pool_of<pool::manual_clock> conns{{.max_open = 1}, {}, {}, clock};
    const auto lent = conns.acquire("a", net.dialer());
    std::latch about_to_wait{1};
    std::jthread waiter{[&] {
        const auto limits = until(real::now() + 1h);
        about_to_wait.count_down();
        CHECK_THROWS_AS((void)conns.acquire("a", net.dialer(), limits), pool::acquire_timeout);
    }};
    about_to_wait.wait();
    while (conns.stats().waiting == 0) std::this_thread::yield();
    clock.advance(1h);
    waiter.join();
    CHECK(conns.stats().waiting == 0);
}

TEST_CASE("acquire: the dial gets the context as it is, whatever the clock of the pool") {
    fake::network net;
    pool_of<pool::manual_clock> conns{{.max_open = 1}};
    const auto limits = until(real::now() + 1h);
    real::time_point seen;
    (void)conns.acquire(
        "a",
        [&](const std::string&, const pool::dial_context& context) {
            seen = context.deadline;
            return net.dial();
        },
        limits);
    CHECK(seen == limits.deadline);
}

}  // namespace context_deadlines_cases
