// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/dial/backing_off.hpp>
#include <pool/testing/explore.hpp>
#include <pool/testing/scheduled_clock.hpp>
#include <pool/testing/scheduled_lock.hpp>

#include <interleavings/scenario.hpp>

// Threads that dial one server through copies of one backing_off, under every schedule.

using namespace interleavings;

namespace {

constexpr auto first = 100ns;

/// A server, and how it is dialled. A thread may be stopped where its dial begins, and where it ends.
struct server {
    explicit server(exploration& its) : counted{its} {}

    auto dialer() {
        const auto dial = [this](const int&, const pool::dial_context&) {
            counted.test.at("begins to dial");
            ++dials;
            ++running;
            const bool is_answered = is_up;
            counted.test.at("ends its dial");
            // After a success, whoever was refused before may dial, beside a probe.
            counted.test.require(running == 1 || !has_one_probe || has_answered, "one probe at a time");
            has_answered = has_answered || is_answered;
            --running;
            if (!is_answered) throw dial_failed{};
            return connection{counted};
        };
        return pool::backing_off<decltype(dial), scheduled_clock, scheduled_lock>{
            dial, {.first = first, .most = 8 * first, .jitter = 0}};
    }

    connection_count counted;
    std::atomic<int> dials = 0;
    std::atomic<int> running = 0;
    std::atomic<bool> is_up = false;
    std::atomic<bool> has_answered = false;
    std::atomic<bool> has_one_probe = false;  ///< from now on, until the first success
};

/// One call. Returns whether it got a connection.
template <class Dial>
bool dials(Dial& dial, const pool::dial_context& context = {}) {
    try {
        dial(1, context).close();
        return true;
    } catch (const dial_failed&) {
        return false;
    }
}

/// The key of a server that is up is dialled, and not remembered, whatever was before.
template <class Dial>
void expect_normal(server& all, Dial& dial) {
    all.is_up = true;
    all.counted.test.advance(8 * first);
    all.counted.test.require(dials(dial), "after the longest delay, a caller dials");
    const int before = all.dials;
    all.counted.test.require(dials(dial) && dials(dial) && all.dials == before + 2, "and then everybody does");
    all.counted.test.require(dial.remembered() == 0, "nothing is remembered");
    all.counted.test.require(all.counted.open == 0, "every connection is closed");
}

const pool::testing::limits all_schedules =
    is_plain ? pool::testing::limits{.skips_equivalent = true} : pool::testing::limits{.preemptions = 3};

template <class Test>
void explore(const Test& test, pool::testing::limits within = all_schedules) {
    within.time = std::chrono::hours{1};  // a slow machine must not cut it
    const auto found = pool::testing::explore(test, within);
    INFO(found.text);
    CHECK(found);
    CHECK((found.all || found.all_up_to == within.preemptions));
    MESSAGE(found.text);
}

}  // namespace

TEST_CASE("backing_off: of three that come when a probe is due, one dials") {
    explore([](exploration& test) {
        server all{test};
        auto dial = all.dialer();
        (void)dials(dial);
        test.advance(first);
        all.has_one_probe = true;
        const auto call = [&] { test.require(!dials(dial), "it is down"); };
        test.run({{"Ann", call}, {"Bob", call}, {"Eve", call}});
        test.require(all.dials == 2, "dials: ", all.dials.load());
        expect_normal(all, dial);
    });
}

TEST_CASE("backing_off: of three that find a server down at once, no two count") {
    explore([](exploration& test) {
        server all{test};
        auto dial = all.dialer();
        const auto call = [&] { test.require(!dials(dial), "it is down"); };
        test.run({{"Ann", call}, {"Bob", call}, {"Eve", call}});
        const int before = all.dials;
        test.require(1 <= before && before <= 3, "who came before the first failure has dialled");
        test.advance(first);
        test.require(!dials(dial) && all.dials == before + 1, "the delay was the first one");
        test.advance(2 * first - 1ns);
        test.require(!dials(dial) && all.dials == before + 1, "the next one is twice as long");
        test.advance(1ns);
        test.require(!dials(dial) && all.dials == before + 2, "and no longer");
        expect_normal(all, dial);
    });
}

TEST_CASE("backing_off: a server comes back while three dial it") {
    explore([](exploration& test) {
        server all{test};
        auto dial = all.dialer();
        (void)dials(dial);
        test.advance(first);
        all.has_one_probe = true;
        all.is_up = true;
        std::atomic<int> got = 0;
        const auto call = [&] { got += dials(dial); };
        test.run({{"Ann", call}, {"Bob", call}, {"Eve", call}});
        test.require(
            got >= 1 && got + 1 == all.dials, "each dial but the first one has got a connection: ", got.load());
        test.require(dial.remembered() == 0, "the key does not fail any more");
        expect_normal(all, dial);
    });
}

TEST_CASE("backing_off: time passes, and the server comes back, while two dial it again and again") {
    explore(
        [](exploration& test) {
            server all{test};
            auto dial = all.dialer();
            (void)dials(dial);
            all.has_one_probe = true;
            const auto calls = [&] {
                for (int i = 0; i != 2; ++i) (void)dials(dial);
            };
            test.run({{"Ann", calls}, {"Bob", calls}, {"time", [&] {
                                                           test.advance(first);
                                                           test.at("is up");
                                                           all.is_up = true;
                                                           test.advance(2 * first);
                                                       }}});
            expect_normal(all, dial);
        },
        {.preemptions = is_plain ? 4 : 3});
}

TEST_CASE("backing_off: the callers of probes are stopped, and somebody else probes") {
    explore([](exploration& test) {
        server all{test};
        auto dial = all.dialer();
        (void)dials(dial);
        test.advance(first);
        all.has_one_probe = true;
        std::stop_source caller;
        test.run({{"stopped", [&] { (void)dials(dial, {.stop = caller.get_token()}); }},
            {"stops it",
                [&] {
                    test.at("stops");
                    caller.request_stop();
                }},
            {"Bob", [&] { (void)dials(dial); }}});
        const int before = all.dials;
        test.require(2 <= before && before <= 3, "one has dialled, or both");
        expect_normal(all, dial);
    });
}

TEST_CASE("backing_off: a pool that bounds what is open serves or fails everybody") {
    for (const bool is_up : {false, true}) {
        explore(
            [is_up](exploration& test) {
                server all{test};
                auto dial = all.dialer();
                (void)dials(dial);
                test.advance(first);
                all.has_one_probe = true;
                all.is_up = is_up;
                {
                    pool::basic_pool<int, connection, pool::bounded_open, pool::never, scheduled_lock, scheduled_clock>
                        conns{{.max_open = 1, .patience = 0ns}};
                    std::atomic<int> got = 0;
                    const auto call = [&] {
                        try {
                            (void)conns.acquire(1, dial);
                            ++got;
                        } catch (const dial_failed&) {
                        }
                    };
                    test.run({{"Ann", call}, {"Bob", call}, {"Eve", call}});
                    test.require(is_up ? got == 3 : got == 0, "got a connection: ", got.load());
                    test.require(all.dials == 2, "one dial: the others wait for its end");
                    const pool::stats now = conns.stats();
                    test.require(now.waiting == 0 && now.dialing == 0 && now.lent == 0, "nothing is under way");
                }
                expect_normal(all, dial);
            },
            {.preemptions = is_plain ? 3 : 2});
    }
}
