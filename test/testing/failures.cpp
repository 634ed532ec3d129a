// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <new>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/testing/actions.hpp>
#include <pool/testing/failure_point.hpp>
#include <pool/testing/failures.hpp>
#include <pool/testing/fake_connection.hpp>
#include <pool/testing/fake_dialer.hpp>
#include <pool/testing/fallible.hpp>

// What makes calls fail in turn. test/allocations/steady.cpp has the replaced `operator new`.

using namespace pool::testing;

namespace {

using key = fallible<std::string>;

}  // namespace

TEST_CASE("countdown: the n-th point of a kind fails, and no other") {
    const auto count_until_failure = [](const countdown& nth) {
        for (int i = 1; i != 10; ++i) {
            try {
                may_fail(point::hook);
                may_fail(point::dial);
            } catch (const injected_failure& failure) {
                CHECK(std::string{failure.what()} == "hook");
                CHECK(nth.happened());
                return i;
            }
        }
        return 0;
    };
    {
        const countdown third{point::hook, 3};
        CHECK_FALSE(third.happened());
        CHECK(count_until_failure(third) == 3);
        CHECK(count_until_failure(third) == 0);
    }
    {
        const countdown from_second{point::hook, 2, true};
        CHECK(count_until_failure(from_second) == 2);
        CHECK(count_until_failure(from_second) == 1);
        const disarmed nothing;
        CHECK(count_until_failure(from_second) == 0);
    }
    may_fail(point::hook);
}

TEST_CASE("failing_allocation: a size that cannot be rounded up to its alignment is an allocation that fails") {
    constexpr std::align_val_t alignment{64};
    const volatile std::size_t most = std::numeric_limits<std::size_t>::max();
    for (const unsigned less : {0U, 10U, 62U}) {
        CHECK_THROWS_AS((void)::operator new(most - less, alignment), std::bad_alloc);
        CHECK_THROWS_AS((void)::operator new[](most - less, alignment), std::bad_alloc);
        CHECK(::operator new(most - less, alignment, std::nothrow) == nullptr);
    }
}

namespace {

int handler_calls = 0;

void give_up_at_the_third() {
    if (++handler_calls % 3 == 0) std::set_new_handler(nullptr);
}

}  // namespace

TEST_CASE("failing_allocation: where there is no memory, the new-handler is called until there is none") {
    constexpr std::align_val_t alignment{64};
    const volatile std::size_t most = std::numeric_limits<std::size_t>::max();
    const auto calls_of = [](const auto& allocate) {
        handler_calls = 0;
        const std::new_handler before = std::set_new_handler(give_up_at_the_third);
        allocate();
        std::set_new_handler(before);
        return handler_calls;
    };
    CHECK(calls_of([&] { CHECK_THROWS_AS((void)::operator new(most, alignment), std::bad_alloc); }) == 3);
    CHECK(calls_of([&] { CHECK_THROWS_AS((void)::operator new[](most, alignment), std::bad_alloc); }) == 3);
    CHECK(calls_of([&] { CHECK(::operator new(most, alignment, std::nothrow) == nullptr); }) == 3);
    CHECK(calls_of([&] {
        const countdown first{point::allocation, 1};
        CHECK_THROWS_AS((void)::operator new(8), std::bad_alloc);
    }) == 0);
}

TEST_CASE("fallible: each operation is a failure point of its kind, and a step") {
    const key a{"a"};
    key b{"b"};
    const auto check = [](point kind, const auto& act) {
        const auto before = held_by_this_thread().steps;
        CHECK(points_of(kind, act) == 1);
        CHECK(held_by_this_thread().steps > before);
        const countdown first{kind, 1};
        CHECK_THROWS_AS(act(), injected_failure);
    };
    check(point::copy, [&] { const key copied = a; });
    check(point::move, [&] { const key moved = std::move(b); });
    check(point::move, [&] { b = key{"b"}; });
    check(point::copy, [&] { b = a; });
    check(point::comparison, [&] { (void)(a == b); });
    check(point::hash, [&] { (void)std::hash<key>{}(a); });
    CHECK(b == a);
    std::ostringstream out;
    out << a;
    CHECK(out.str() == "a");
}

TEST_CASE("fake connections: dials, closes and moves are failure points") {
    fake_dialer dials;
    {
        const countdown first{point::dial, 1};
        CHECK_THROWS_AS((void)dials(), injected_failure);
    }
    CHECK(dials.dials() == 0);
    fragile_connection conn{dials()};
    {
        const countdown first{point::move, 1};
        CHECK_THROWS_AS(fragile_connection{std::move(conn)}, injected_failure);
    }
    {
        const countdown first{point::close, 1};
        CHECK_THROWS_AS(conn.close(), injected_failure);
    }
    CHECK(conn.closed());
    CHECK(dials.closed() == std::vector{1});
}

TEST_CASE("explore_failures: makes each point fail once, and says how many there are of each kind") {
    std::vector<std::string> seen;
    const auto result = explore_failures([&](failure_run& run) {
        std::unordered_map<key, int> numbers;
        const key a{"a"};
        numbers.emplace(key{"b"}, 1);
        const bool is_done = run.during([&] { numbers.emplace(a, 2); });
        run.require(is_done == !run.has_failed(), "nothing is swallowed");
        run.require(numbers.size() == (is_done ? 2 : 1), "an element is there, or not");
        seen.push_back(run.plan().text());
    });
    CHECK_MESSAGE(result, result.text());
    CHECK(result.runs == result.points() + 1);
    CHECK(result.runs == seen.size());
    CHECK(result.points(point::copy) == 1);
    CHECK(result.points(point::hash) == 1);
    CHECK(result.points(point::allocation) >= 1);
    CHECK(seen.back() == "nothing has failed");
    CHECK(result.text().find("1 copy, 1 hash") != std::string::npos);
}

TEST_CASE("explore_failures: finds what only a failure shows, and says which") {
    const auto result = explore_failures([](failure_run& run) {
        fake_dialer dials;
        std::vector<std::optional<fake_connection>> kept;
        const bool is_done = run.during([&] {
            kept.emplace_back();  // the mistake: it stays, if the dial fails
            kept.back().emplace(dials());
        });
        run.require(is_done || kept.empty(), "nothing is kept if the dial has failed");
        for (auto& each : kept) {
            if (each) each->close();
        }
    });
    CHECK_FALSE(result);
    REQUIRE(result.wrong.size() == 1);
    CHECK(result.wrong[0] == "in run 2, in which the dial number 1 has failed: this does not hold: nothing is kept if the dial has failed");
    CHECK(result.text().find('\n' + result.wrong[0]) != std::string::npos);
}

TEST_CASE("explore_failures: what else is thrown is wrong") {
    SUBCASE("an exception") {
        const auto result = explore_failures([](failure_run& run) {
            run.during([] {
                try {
                    may_fail(point::hook);
                } catch (const injected_failure&) {
                    throw std::runtime_error{"lost my way"};
                }
            });
        });
        REQUIRE(result.wrong.size() == 1);
        CHECK(result.wrong[0] == "in run 1, in which the hook number 1 has failed: the test has thrown: lost my way");
    }
    SUBCASE("something else") {
        const auto result = explore_failures([](failure_run&) { throw 1; });
        CHECK(result.wrong.size() == 1);
    }
    SUBCASE("memory that runs out, though no allocation has failed") {
        const auto result = explore_failures([](failure_run& run) { run.during([] { throw std::bad_alloc{}; }); });
        CHECK(result.wrong.size() == 1);
    }
}

TEST_CASE("explore_failures: a failure that is swallowed is a run like any other") {
    const auto result = explore_failures([](failure_run& run) {
        const bool is_done = run.during([] {
            try {
                may_fail(point::close);
            } catch (const injected_failure&) {
            }
            may_fail(point::hook);
        });
        run.require(is_done != (run.plan().failed() == point::hook), "only the hook is not caught");
    });
    CHECK_MESSAGE(result, result.text());
    CHECK(result.points() == 2);
}

TEST_CASE("explore_failures: a failure may persist") {
    int retries = 0;
    const auto test = [&](failure_run& run) {
        run.during([&] {
            for (int i = 0; i != 3; ++i) {
                try {
                    may_fail(point::dial);
                } catch (const injected_failure&) {
                    ++retries;
                }
            }
            may_fail(point::hook);
        });
    };
    CHECK(explore_failures(test).points() == 4);
    CHECK(retries == 3);
    retries = 0;
    CHECK(explore_failures(test, {.persists = true}).points() == 4);
    CHECK(retries == 3 + 2 + 1);
    const auto first_of_two = [](failure_run& run) {
        int dials = 0;
        run.during([&] {
            try {
                may_fail(point::close);
            } catch (const injected_failure&) {
            }
            may_fail(point::dial);
            ++dials;
        });
        run.require(dials == (run.plan().failed() == point::dial ? 0 : 1), "only the kind that fails goes on failing");
    };
    const auto result = explore_failures(first_of_two, {.persists = true});
    CHECK_MESSAGE(result, result.text());
}

TEST_CASE("explore_failures: a test that never ends is given up") {
    const auto result = explore_failures(
        [](failure_run& run) {
            run.during([] {
                may_fail(point::hook);
                may_fail(point::hook);
            });
        },
        {.most_runs = 1});
    CHECK_FALSE(result);
    CHECK(result.wrong[0] == "there is still a failure point after 1 run");
}

TEST_CASE("explore_failures: results add up") {
    auto all = explore_failures([](failure_run& run) { run.during([] { may_fail(point::hook); }); });
    all += explore_failures([](failure_run& run) {
        run.during([] {
            may_fail(point::dial);
            throw 1;
        });
    });
    CHECK(all.runs == 4);
    CHECK(all.points() == 2);
    CHECK(all.wrong.size() == 1);
}
