// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/policies/clock.hpp>
#include <pool/testing/actions.hpp>
#include <pool/testing/event_log.hpp>
#include <pool/testing/failure_point.hpp>
#include <pool/testing/failures.hpp>
#include <pool/testing/fake_connection.hpp>
#include <pool/testing/fake_dialer.hpp>
#include <pool/testing/gate.hpp>

// The memory of the kit itself is no failure point, and what a result says of those that are.

using namespace std::chrono_literals;
using namespace pool::testing;

namespace {

std::uint64_t allocated_by(const auto& act) { return points_of(point::allocation, act); }

/// The text of what `act` throws. The text is no failure point.
std::string thrown_by(const auto& act) {
    try {
        act();
    } catch (const std::exception& error) {
        const disarmed unnoticed;
        return error.what();
    }
    return {};
}

constexpr std::string_view long_key = "a key that is too long to be kept without memory";

}  // namespace

TEST_CASE("fake_dialer: its own memory is no failure point") {
    const std::string key{long_key};
    event_log log;
    fake_dialer dials{log};
    CHECK(allocated_by([] { const fake_dialer another; }) == 0);
    fake_dialer::action refused = fails("refused, with a text that is too long to be kept without memory");
    fake_dialer::action also_refused = refused;
    fake_dialer::action looks = [key](const pool::dial_context&) { CHECK_FALSE(key.empty()); };
    CHECK(allocated_by([&] {
        dials.next(std::move(refused));
        dials.nth(2, std::move(also_refused));
        dials.each(std::move(looks));
        dials.prepare([](far_end&) {});
        for (int i = 0; i != 2; ++i) (void)thrown_by([&] { (void)dials(key); });
        dials(key).close();
        dials(long_key).close();
        dials().close();
    }) == 0);
    CHECK(dials.attempts() == 5);
    CHECK(dials.closed() == std::vector{1, 2, 3});
    CHECK(log.size() == 8);
}

TEST_CASE("fake_connection: its own memory is no failure point") {
    pool::manual_clock clock;
    fake_dialer dials;
    auto conn = dials(long_key);
    fragile_connection fragile{dials()};
    const std::string what{"uses it in a way that takes long to say, and that needs memory"};
    CHECK(allocated_by([&] {
        dials[1].die_at(clock, clock.now() + 1h);
        dials[1].block_until(clock, clock.now());
        dials[1].note("a note");
        conn.use("a use that has a name that is too long to be kept without memory");
        conn.use(what);
        (void)dials[1].history();
        conn.close();
        dials[2].stuck = true;
        CHECK(thrown_by([&] { fragile_connection{std::move(fragile)}; }) == "stuck");
        dials[2].die_at_use(1);
        CHECK(thrown_by([&] { fragile.use(); }) == "the peer of connection 2 has gone");
        fragile.close();
    }) == 0);
}

TEST_CASE("gate, event_log: their own memory is no failure point") {
    event_log log;
    std::vector<std::string> events(20, std::string{long_key});
    CHECK(allocated_by([&] {
        gate here;
        here.open();
        here.pass();
        for (std::string& each : events) log.add(std::move(each));
        (void)log.events();
        (void)log.take();
        fake_dialer dials;
        dials.next(hangs(here));
        here.close();
        const pool::dial_context late{.deadline = std::chrono::steady_clock::now()};
        CHECK(thrown_by([&] { (void)dials(late); }) == "the dial was given up");
    }) == 0);
}

TEST_CASE("explore_failures: its own memory is no failure point of another one") {
    const auto result = explore_failures([](failure_run& outer) {
        outer.during([] {
            const auto inner = explore_failures(
                [](failure_run& run) {
                    run.during([] { may_fail(point::hook); });
                    run.require(false, "a rule with a text that is too long to be kept without memory");
                },
                {.only = point::hook});
            failures_result all;
            all += inner;
            all += explore_failures([](failure_run&) { throw std::exception{}; });
            all += explore_failures([](failure_run&) { throw 1; });
            if (inner || all.text().empty()) throw std::logic_error{"it is wrong, and says so"};
        });
    });
    CHECK_MESSAGE(result, result.text());
    CHECK(result.points() == 0);
    CHECK(allocated_by([] { (void)failure_plan{{}}.text(); }) == 0);
}

TEST_CASE("failures_result: counts in words") {
    failures_result result;
    CHECK(result.text() == "0 failure points");
    result.counts[static_cast<std::size_t>(point::allocation)] = 1;
    CHECK(result.text() == "1 failure point: 1 allocation");
    result.counts = {6, 2, 1, 3, 0, 2, 1, 1};
    CHECK(result.text() == "16 failure points: 6 allocations, 2 copies, 1 move, 3 hashes, 2 dials, 1 close, 1 hook");
    CHECK(result.points() == 16);
    CHECK(result.points(point::hash) == 3);
    result.wrong = {"in run 1", "in run 2"};
    CHECK(result.text().substr(result.text().find('\n')) == "\nin run 1\nin run 2");
}

TEST_CASE("explore_failures: a test that fails nothing is right, if allocations could have failed") {
    const auto result = explore_failures([](failure_run& run) { run.during([] {}); });
    CHECK(result);
    CHECK(result.text() == "0 failure points");
}

TEST_CASE("explore_failures: a test that never calls during has tested nothing") {
    const auto result = explore_failures([](failure_run&) {});
    CHECK_FALSE(result);
    CHECK(result.text() == "0 failure points\nnothing was tested: the test does not call during");
}
