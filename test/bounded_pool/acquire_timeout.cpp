// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <pool/bounded_pool.hpp>

#include <support/bounded_pool.hpp>
#include <support/fake.hpp>

namespace {

using namespace std::chrono_literals;

using real = std::chrono::steady_clock;
using clocked_pool = pool::bounded_pool<std::string, fake::connection, pool::manual_clock>;
using caller = bounded_pools::caller<clocked_pool>;

/// Its only connection is lent. Calls may wait for ten seconds.
struct fixture {
    using lease = clocked_pool::lease_type;

    /// What a caller gets that waits from now on, after so long.
    std::string after(std::chrono::nanoseconds time, const std::function<lease(std::stop_token)>& act) {
        caller waits{conns, act};
        clock.advance(time);
        return waits.error();
    }

    fake::network net;
    pool::manual_clock clock;
    clocked_pool conns{{.max_open = 1, .acquire_timeout = 10s, .name = "db"}, net.dialer(), clock};
    lease lent = conns.acquire("a");
};

const std::string late =
    "pool \"db\": no connection for key \"a\": its deadline has passed (1 open, 0 idle, 1 lent, 0 dialling, 1 waiting)";

}  // namespace

TEST_CASE_FIXTURE(fixture, "acquire_timeout: is the deadline of an acquire without one") {
    CHECK(after(10s, [&](const std::stop_token&) { return conns.acquire("a"); }) == late);
    CHECK(after(10s, [&](const std::stop_token&) { return conns.acquire("a", net.dialer()); }) == late);
    caller waits{conns, [&](const std::stop_token&) { return conns.acquire("a"); }};
    clock.advance(10s - 1ns);
    CHECK(conns.stats().waiting == 1);
    clock.advance(1ns);
    CHECK(waits.error() == late);
}

TEST_CASE_FIXTURE(fixture, "acquire_timeout: is the deadline of an acquire that has only a stop token") {
    CHECK(after(10s, [&](std::stop_token stop) { return conns.acquire("a", stop); }) == late);
    CHECK(after(10s, [&](std::stop_token stop) { return conns.acquire("a", net.dialer(), stop); }) == late);
    CHECK(after(10s, [&](std::stop_token stop) { return conns.acquire("a", {.stop = stop}); }) == late);
}

TEST_CASE_FIXTURE(fixture, "acquire_timeout: is the deadline of a call through a lazy connection or the pool") {
    const auto nothing = [](fake::connection&) {};
    const auto through = [&](const auto& call) {
        return after(10s, [&](const std::stop_token&) {
            call();
            return lease{};
        });
    };
    CHECK(through([&] { conns.invoke("a", nothing); }) == late);
    CHECK(through([&] { conns.get("a").invoke(nothing); }) == late);
    CHECK(through([&] { conns.get("a", net.dialer()).invoke(nothing); }) == late);
    CHECK(through([&] {
        auto peer = conns.get("a");
        auto moved = std::move(peer);
        moved.invoke(nothing);
    }) == late);
    CHECK(through([&] {
        (void)conns.get("a").open_stream([](fake::connection& conn) { return fake::stream{conn, 1}; });
    }) == late);
}

TEST_CASE_FIXTURE(fixture, "acquire_timeout: a deadline of the call takes its place, be it earlier or later") {
    const auto now = clock.now();
    CHECK(after(1s, [&](const std::stop_token&) { return conns.acquire("a", 1s); }) == late);
    CHECK(after(1s, [&](const std::stop_token&) { return conns.acquire("a", now + 2s); }) == late);

    caller hours{conns, [&](const std::stop_token&) { return conns.acquire("a", 3h); }};
    clock.advance(2h);
    CHECK(conns.stats().waiting == 1);
    clock.advance(1h);
    CHECK(hours.error() == late);

    caller for_ever{conns, [&](const std::stop_token&) { return conns.acquire("a", clocked_pool::time_point::max()); }};
    clock.advance(1000h);
    CHECK(conns.stats().waiting == 1);
    lent.give_back();
    CHECK(for_ever.got()->id() == 1);
}

TEST_CASE_FIXTURE(fixture, "acquire_timeout: a stop ends the wait all the same") {
    caller waits{conns, [&](std::stop_token stop) { return conns.acquire("a", stop); }};
    waits.cancel();
    CHECK_THROWS_AS((void)waits.got(), pool::acquire_cancelled);
}

TEST_CASE("acquire_timeout: the dial gets the deadline, unless its context has one") {
    fake::network net;
    pool::dial_context seen;
    const auto dial = [&](const std::string&, const pool::dial_context& context) {
        seen = context;
        return net.dial();
    };
    pool::bounded_pool<std::string, fake::connection> conns{{.max_idle = 0, .acquire_timeout = 1h}, dial};
    const auto before = real::now();
    (void)conns.acquire("a");
    CHECK(seen.deadline >= before + 1h);
    CHECK(seen.deadline <= real::now() + 1h);
    (void)conns.acquire("a", {.deadline = before + 2h});
    CHECK(seen.deadline == before + 2h);
    conns.get("a").invoke(pool::dial_context{.deadline = before + 3h}, [](fake::connection&) {});
    CHECK(seen.deadline == before + 3h);
}

TEST_CASE("acquire_timeout: zero, the default, is none") {
    fake::network net;
    pool::manual_clock clock;
    for (const auto& chosen : {pool::bounded_pool_options{.max_open = 1},
             pool::bounded_pool_options{.max_open = 1, .acquire_timeout = 0s}}) {
        clocked_pool conns{chosen, net.dialer(), clock};
        auto lent = conns.acquire("a");
        caller waits{conns, [&](const std::stop_token&) { return conns.acquire("a"); }};
        clock.advance(1000h);
        CHECK(conns.stats().waiting == 1);
        lent.give_back();
        CHECK(waits.got());
    }
}

TEST_CASE("acquire_timeout: may be given in any unit") {
    CHECK(pool::bounded_pool_options{.acquire_timeout = 1.5min}.acquire_timeout.value == 90s);
    CHECK(pool::bounded_pool_options{.acquire_timeout = std::chrono::hours::max()}.acquire_timeout.value ==
          std::chrono::nanoseconds::max());
}
