// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <new>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <pool/dial/backing_off.hpp>
#include <pool/policies/clock.hpp>
#include <pool/testing/failure_point.hpp>
#include <pool/testing/failures.hpp>
#include <pool/testing/fallible.hpp>
#include <pool/testing/probe_lock.hpp>

#include <support/refusing_server.hpp>

// Each allocation, copy, hash, comparison and dial fails in turn. Whatever fails is an error of its caller alone: no key is
// left with a probe that never ends, and no error of a dial is lost.

namespace failures_backing_off_cases {

namespace {

using namespace std::chrono_literals;
using pool::testing::disarmed;
using pool::testing::failure_run;
using key = pool::testing::fallible<std::string>;

/// A server, and a dial that backs off from it. Every copy of a key may fail.
struct world {
    /// The error of a dial, or "". Failures that are injected pass through.
    std::string call(const key& wanted) {
        try {
            dial(wanted).close();
            return "";
        } catch (const std::runtime_error& error) {
            const disarmed unnoticed;
            return error.what();
        }
    }

    /// Checks what holds after each run: the keys are dialled again after the longest delay, and are then forgotten.
    void check(failure_run& run) {
        run.require(!pool::testing::is_under_lock(), "the lock is free");
        for (const key* each : {&a, &b}) {
            try {
                call(*each);
            } catch (const std::bad_alloc&) {
                run.require(false, "memory that has run out for one caller is no error of the next one");
            } catch (const pool::testing::injected_failure&) {  // that of the dial
            }
        }
        server.up();
        server.dials.prepare(nullptr);
        clock.advance(1s);
        for (const key* each : {&a, &b}) {
            const int before = server.dials.attempts();
            run.require(call(*each).empty(), "after the longest delay, a caller dials");
            run.require(server.dials.attempts() == before + 1, "it has dialled once");
        }
        run.require(dial.remembered() == 0, "nothing is remembered of keys that do not fail");
        run.require(server.dials.open() == 0, "every connection is closed");
    }

    const key a{"a key that is long enough for the heap"};
    const key b{"a second one, of the same hash or not, for the heap"};
    fake::refusing_server server;
    pool::manual_clock clock;
    pool::backing_off<decltype(server.dial()), pool::manual_clock, pool::testing::probe_lock> dial{
        server.dial(), {.first = 100ms, .most = 1s, .jitter = 0}, clock};
};

/// Makes each call of foreign code in `act(world)` fail, alone and with all later ones of its kind.
template <class Prepare, class Act>
void fail_each(const std::string& name, const Prepare& prepare, const Act& act) {
    for (const bool persists : {false, true}) {
        const auto found = pool::testing::explore_failures(
            [&](failure_run& run) {
                world w;
                prepare(w);
                run.during([&] { act(w, run); });
                w.check(run);
            },
            {.persists = persists});
        CHECK_MESSAGE(bool{found}, (name + ": " + found.text()));
        MESSAGE((name + ": " + found.text()));
    }
}

constexpr auto at_first = [](world&) {};
constexpr auto both_fail = [](world& w) {
    w.call(w.a);
    w.call(w.b);
};
constexpr auto probe_is_due = [](world& w) {
    both_fail(w);
    w.clock.advance(100ms);
};
constexpr auto server_is_up = [](world& w) {
    probe_is_due(w);
    w.server.up();
};
constexpr auto dials_are_dead = [](world& w) {
    w.server.up();
    w.server.dials.prepare([](pool::testing::far_end& far) { far.dead = true; });
};
constexpr auto all_is_forgotten = [](world& w) {
    both_fail(w);
    w.clock.advance(1h);
};

}  // namespace

TEST_CASE("failures: a dial that backs off [C12]") {
    fail_each("the first failure", at_first, [](world& w, failure_run& run) {
        const std::string error = w.call(w.a);
        const disarmed unnoticed;
        run.require(error == "refused 1", "the caller gets the error of its dial: ", error);
    });
    fail_each("a failure at once", both_fail, [](world& w, failure_run& run) {
        const std::string error = w.call(w.b);
        const disarmed unnoticed;
        run.require(error == "refused 2", "the caller gets the last error: ", error);
    });
    fail_each("a probe that fails", probe_is_due, [](world& w, failure_run& run) {
        const std::string error = w.call(w.b);
        const disarmed unnoticed;
        run.require(error == "refused 3", "the caller gets the error of its dial: ", error);
    });
    fail_each("a probe that succeeds", server_is_up, [](world& w, failure_run& run) {
        const std::string error = w.call(w.a);
        const disarmed unnoticed;
        run.require(error.empty(), "the caller gets a connection: ", error);
    });
    fail_each("a dial that returns a dead connection", dials_are_dead, [](world& w, failure_run& run) {
        const std::string error = w.call(w.a);
        const disarmed unnoticed;
        run.require(error.empty(), "the caller gets the connection, and closes it: ", error);
    });
    fail_each("a forgotten key", all_is_forgotten, [](world& w, failure_run& run) {
        const std::string error = w.call(w.a);
        const disarmed unnoticed;
        run.require(error == "refused 3", "the caller gets the error of its dial: ", error);
    });
}

}  // namespace failures_backing_off_cases
