// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <mutex>
#include <ratio>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/bounded_pool.hpp>
#include <support/fake.hpp>

// A call may be limited by a time from now. It is measured on the pool's clock.

namespace relative_times_cases {

namespace {

using namespace std::chrono_literals;

using real = std::chrono::steady_clock;

template <class Clock>
using pool_of = pool::basic_pool<std::string, fake::connection, pool::bounded_open, pool::never, std::mutex, Clock>;

/// Its only connection is lent.
struct fixture : bounded_pools::fixture<> {
    fixture() : bounded_pools::fixture<>{{.max_open = 1}}, lent{acquire("a")} {}

    /// A caller that waits in the queue for so long.
    template <class Duration>
    caller waits_for(Duration timeout) {
        return {conns, [this, timeout](std::stop_token stop) {
                    return conns.acquire("a", net.dialer(), timeout, std::move(stop));
                }};
    }

    lease lent;
};

const std::string late =
    "pool \"peers\": no connection for key \"a\": its deadline has passed (1 open, 0 idle, 1 lent, 0 dialling, "
    "1 waiting)";

}  // namespace

TEST_CASE_FIXTURE(fixture, "acquire: a time from now is a deadline on the pool's clock") {
    clock.advance(1000h);
    caller waits = waits_for(5s);
    clock.advance(5s - 1ns);
    CHECK(conns.stats().waiting == 1);
    clock.advance(1ns);
    CHECK(waits.error() == late);
}

TEST_CASE_FIXTURE(fixture, "acquire: a time from now may be of any unit, and is never cut short") {
    caller fraction = waits_for(std::chrono::duration<double, std::milli>{1.5});
    caller odd = waits_for(std::chrono::duration<int, std::ratio<1, 3'000'000'000>>{1});  // a third of a tick
    CHECK(conns.stats().waiting == 2);
    clock.advance(1ns);
    CHECK(odd.error() != "no error");
    clock.advance(1500us - 2ns);
    CHECK(conns.stats().waiting == 1);
    clock.advance(1ns);
    CHECK(fraction.error() == late);
}

TEST_CASE_FIXTURE(fixture, "acquire: a time from now that is too far away is for ever [C18]") {
    clock.set(pool::manual_clock::time_point::max() - 2h);
    caller hours = waits_for(std::chrono::hours::max());
    caller real_number = waits_for(std::chrono::duration<double>{1e300});
    clock.set(pool::manual_clock::time_point::max());
    CHECK(conns.stats().waiting == 2);
    lent.give_back();
    CHECK(hours.got()->id() == 1);
    CHECK(real_number.got()->id() == 1);
}

TEST_CASE_FIXTURE(fixture, "acquire: a stop ends a wait that has a time from now, too") {
    caller waits = waits_for(5s);
    waits.cancel();
    CHECK_THROWS_AS((void)waits.got(), pool::acquire_cancelled);
}

TEST_CASE_TEMPLATE("acquire: a time from now of zero or less has passed", Clock, real, pool::coarse_clock,
    pool::manual_clock) {
    fake::network net;
    pool_of<Clock> conns{{.max_open = 1}};
    CHECK_THROWS_AS((void)conns.acquire("a", net.dialer(), 0s), pool::acquire_timeout);
    CHECK_THROWS_AS((void)conns.acquire("a", net.dialer(), -1s), pool::acquire_timeout);
    CHECK_THROWS_AS((void)conns.acquire("a", net.dialer(), std::chrono::seconds::min()), pool::acquire_timeout);
    CHECK(net.dials() == 0);
}

TEST_CASE_TEMPLATE("acquire: the dial gets a time from now as a real deadline, whatever the clock, and the stop token",
    Clock, real, pool::coarse_clock, pool::manual_clock) {
    fake::network net;
    pool_of<Clock> conns{{.max_open = 1}};
    std::stop_source caller;
    pool::dial_context seen;
    const auto before = real::now();
    (void)conns.acquire(
        "a",
        [&](const std::string&, const pool::dial_context& context) {
            seen = context;
            CHECK_FALSE(context.stop.stop_requested());
            caller.request_stop();
            CHECK(context.stop.stop_requested());
            return net.dial();
        },
        1h, caller.get_token());
    CHECK(seen.deadline > before + 59min);  // a coarse clock is a little behind
    CHECK(seen.deadline <= real::now() + 1h);
}

TEST_CASE("acquire: what limits it may be a constant, a variable or a temporary") {
    fake::network net;
    pool_of<real> conns{{.max_open = 1}};
    auto timeout = 5s;
    const auto constant = 5s;
    const auto dial = net.dialer();
    CHECK(conns.acquire("a", dial, timeout)->id() == 1);
    CHECK(conns.acquire("a", dial, constant)->id() == 1);
    CHECK(conns.acquire("a", dial, constant, std::stop_token{})->id() == 1);
    CHECK(conns.acquire("a", dial, std::chrono::floor<std::chrono::seconds>(real::now() + 10s))->id() == 1);
}

}  // namespace relative_times_cases
