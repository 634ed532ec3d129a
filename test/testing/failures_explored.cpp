// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/testing.hpp>

#include <testing/explored.hpp>

// Failures in an exploration: the threads' own calls fail in turn, and nothing of the kit's fails. All of it with fibers,
// and with real threads.

using namespace pool::testing;
using explored::says;

namespace {

/// One call of the test that may fail, between two steps of which others may run.
struct shared_text {
    scheduled_lock lock;
    scheduled_condition changed;
    std::string text;

    void grow() {
        const std::lock_guard guard{lock};
        auto longer = std::make_unique<std::string>(text + 'x');
        text.swap(*longer);
        changed.notify_one();
    }
    /// Uses all that the kit has. None of it is the test's own memory.
    void use(exploration& test) {
        test.at("begins");
        {
            std::unique_lock guard{lock};
            (void)changed.wait_for(guard, std::chrono::seconds{1});
        }
        test.advance(std::chrono::seconds{1});
        if (lock.try_lock()) lock.unlock();
        changed.notify_all();
    }
};

/// For explorations that have to be complete, on a slow machine, too.
limits with(bool threads) { return {.early_time_outs = 1, .time = std::chrono::hours{1}, .uses_threads = threads}; }

}  // namespace

TEST_CASE("explored failures: the handler of std::terminate is what it was") {
    const auto usual = std::set_terminate([] { std::abort(); });
    const auto before = std::get_terminate();
    CHECK(explore([](exploration& test) {
        const auto stops = [&] {
            (void)explore_failures([&](failure_run& run) { run.during([&] { test.at("is stopped in a run"); }); });
        };
        test.run({{"one", stops}, {"two", stops}});
    }));
    CHECK((std::get_terminate() == before));
    std::set_terminate(usual);
}

TEST_CASE("explored failures: what the kit does in a run is no failure point") {
    for (const bool threads : {false, true}) {
        const auto found = explore(
            [](exploration& test) {
                const auto result = explore_failures([&](failure_run& run) {
                    shared_text shared;
                    const auto use = [&] { shared.use(test); };
                    const std::vector<exploration::thread> both{{"one", use}, {"two", use}};
                    run.during([&] {
                        test.invariant([&test] { test.require(test.asleep() <= 2, "there are two"); });
                        test.run({both[0], both[1]});
                    });
                });
                test.require(result && result.points() == 0, result.text().c_str());
            },
            with(threads));
        CHECK_MESSAGE(found, found.text);
        CHECK(found.all);
        CHECK(found.schedules > 10);
    }
}

TEST_CASE("explored failures: nor is what a gate does in a run") {
    const auto found = explore([](exploration& test) {
        gate here;
        const auto count = points_of(point::allocation, [&] {
            test.run({{"passes", [&] { here.pass(); }}, {"opens", [&] { here.open(); }}});
        });
        test.require(count == 0, "the gate has memory of its own");
    });
    CHECK_MESSAGE(found, found.text);
    CHECK(found.all);
}

TEST_CASE("explored failures: each point of the threads fails in turn, under every schedule") {
    for (const bool threads : {false, true}) {
        const auto found = explore(
            [](exploration& test) {
                const auto result = explore_failures([&](failure_run& run) {
                    shared_text shared;
                    int failed = 0;
                    const auto grow = [&] {
                        try {
                            shared.grow();
                        } catch (const std::bad_alloc&) {
                            ++failed;
                        }
                    };
                    run.during([&] { test.run({{"one", grow}, {"two", grow}}); });
                    run.require(failed == (run.has_failed() ? 1 : 0), "a failure is seen by the thread that it is of");
                    run.require(shared.text.size() + std::size_t(failed) == 2, "the other one goes on");
                });
                test.require(result && result.points() == 2, result.text().c_str());
            },
            with(threads));
        CHECK_MESSAGE(found, found.text);
        CHECK(found.all);
        CHECK(found.schedules > 2);
    }
}

TEST_CASE("explored failures: a thread has failures of its own") {
    for (const bool threads : {false, true}) {
        const auto found = explore(
            [](exploration& test) {
                shared_text shared;
                const auto fails_in_turn = [&] {
                    const auto result = explore_failures([&](failure_run& run) {
                        const bool is_done = run.during([&] { shared.grow(); });
                        run.require(is_done != run.has_failed(), "nobody else's failure is seen");
                    });
                    test.require(result && result.points() == 1, result.text().c_str());
                };
                test.run({{"one", fails_in_turn}, {"two", fails_in_turn}});
                test.require(shared.text.size() == 2, "each has grown it once");
                test.require(failure_plan::of_this_thread() == nullptr, "the test itself follows none");
            },
            with(threads));
        CHECK_MESSAGE(found, found.text);
        CHECK(found.all);
    }
}

TEST_CASE("explored failures: a failure that leaves a thread fails the run, which says what has failed") {
    for (const bool persists : {false, true}) {
        const auto found = explore([&](exploration& test) {
            (void)explore_failures(
                [&](failure_run& run) {
                    shared_text shared;
                    const auto grow = [&] { shared.grow(); };
                    run.during([&] { test.run({{"one", grow}, {"two", grow}}); });
                },
                {.persists = persists});
        });
        CHECK(says(found, "an exception leaves one: std::bad_alloc\n  the allocation number 1 has failed\n"));
        CHECK(failure_plan::of_this_thread() == nullptr);
    }
}

TEST_CASE("explored failures: what is wrong is reported without memory") {
    const auto report = [](const auto& act) {
        return explore([&](exploration& test) {
            (void)explore_failures(
                [&](failure_run& run) {
                    fake_dialer dials;
                    const auto fails = [&] {
                        try {
                            ::operator delete(::operator new(1));  // a call that no compiler leaves out
                        } catch (const std::bad_alloc&) {
                            act(test, dials);
                        }
                    };
                    std::vector<exploration::thread> one{{"one", fails}};  // its function needs the heap
                    run.during([&] { test.run(std::move(one)); });
                },
                {.persists = true});
        });
    };
    const auto rule = report([](exploration& test, fake_dialer&) {
        test.require(false, "there is a number, and a text that needs the heap");
    });
    CHECK(says(rule, "there is a number, and a text that needs the heap\n  the allocation number 1 has failed\n"));
    const auto failed = report(
        [](exploration& test, fake_dialer&) { test.fail("there is no number, and a text that needs the heap"); });
    CHECK(says(failed, "there is no number, and a text that needs the heap\n  the allocation number 1 has failed\n"));
    const auto misuse = report([](exploration&, fake_dialer& dials) {
        auto conn = dials();
        conn.close();
        conn.use();
    });
    CHECK(says(misuse, "its history: opened, closed\n  the allocation number 1 has failed\n"));
    const auto none = report([](exploration&, fake_dialer& dials) { (void)dials[9]; });
    CHECK(says(none, "there is no connection 9; 0 were dialled\n  the allocation number 1 has failed\n"));
    const auto thrown = report([](exploration&, fake_dialer&) { throw 1; });
    CHECK(says(thrown, "which is no std::exception\n  the allocation number 1 has failed\n"));
    const auto zeroth = report([](exploration&, fake_dialer& dials) { dials.nth(0, nullptr); });
    CHECK(says(
        zeroth, "is told 0: counting begins at 1, which is the next one\n  the allocation number 1 has failed\n"));
}

TEST_CASE("explored failures: the n-th point fails in each schedule") {
    std::uint64_t n = 0;
    for (bool has_failed = true; has_failed;) {
        const countdown nothing{point::hook, 1};  // explore itself is the kit's, too
        has_failed = false;
        ++n;
        const auto found = explore([&](exploration& test) {
            const countdown nth{point::allocation, n};
            shared_text shared;
            int failed = 0;
            const auto grow = [&] {
                try {
                    shared.grow();
                } catch (const std::bad_alloc&) {
                    ++failed;
                }
            };
            test.run({{"one", grow}, {"two", grow}});
            has_failed = nth.happened();
            const disarmed unnoticed;
            test.require(shared.text.size() + std::size_t(failed) == 2, "each has grown it, or failed");
        });
        CHECK_MESSAGE(found, found.text);
        CHECK(found.all);
    }
    CHECK(n == 3);
}

TEST_CASE("explored failures: an exploration may be what is run") {
    CHECK(points_of(point::allocation, [] {
        (void)explore([](exploration& test) {
            shared_text shared;
            const auto use = [&] { shared.use(test); };
            test.run({{"one", use}, {"two", use}});
        });
    }) == 0);
}
