// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/event.hpp>

#include <interleavings/operations.hpp>
#include <support/event_ledger.hpp>

// Pairs of operations on a pool that has an observer: the events of each connection are told in their order, by one
// thread at a time, and the figures are their sums.

using namespace interleavings;

namespace {

/// It is made in another way than that of the other explorations.
struct observed_bounds : pool::bounded {};
struct observed_open_bounds : pool::bounded_open {};

template <class Capacity>
using observed_pool = pool::basic_pool<int, connection, Capacity, pool::after_idle, scheduled_lock, scheduled_clock>;
using observed_idle = observed_pool<observed_bounds>;
using observed_open = observed_pool<observed_open_bounds>;

/// The observer of a scenario. A thread may be stopped in it. It stays between two scenarios: a pool may end in one.
struct observer {
    event_ledger ledger;
    bool is_called = false;

    void operator()(const pool::event& e) {
        if (std::exchange(is_called, true)) pool::testing::misused("two threads call the observer at once");
        pool::testing::at("is told of an event");
        ledger(e);
        is_called = false;
    }

    static observer& of_this_run() {
        static observer it;
        return it;
    }
    static pool::pool_settings settings() {
        of_this_run() = {};
        return {.trace_leases = true, .on_event = [](const pool::event& e) { of_this_run()(e); }};
    }
    static void check(exploration& test, const pool::stats& end) {
        const std::string difference = of_this_run().ledger.difference(end);
        test.require(difference.empty(), "C29: the figures are the sums of the events: " + difference);
    }
};

}  // namespace

namespace interleavings {

template <>
struct maker<observed_idle> {
    static constexpr std::size_t max_idle = 2;
    static void make(std::optional<observed_idle>& into, const setting&, std::size_t) {
        into.emplace(observed_bounds{{.max_idle = max_idle, .max_idle_per_key = 1}}, pool::after_idle{time_to_live},
            observer::settings());
    }
    static void check_end(exploration& test, const pool::stats& end) { observer::check(test, end); }
};
template <>
struct maker<observed_open> {
    static constexpr std::size_t max_idle = 2;
    static void make(std::optional<observed_open>& into, const setting& how, std::size_t open) {
        into.emplace(observed_open_bounds{maker<open_pool>::bounds(open, how.patience)}, pool::after_idle{time_to_live},
            observer::settings());
    }
    static void check_end(exploration& test, const pool::stats& end) { observer::check(test, end); }
};

namespace {

template <class Pool>
total explore_observed() {
    std::vector<operation<Pool>> operations;
    for (const auto& each : common_operations<Pool>())
        for (const std::string_view name : {"acquire", "try_acquire", "give back", "discard", "detach", "put", "take",
                 "expire", "upkeep", "clear", "invalidate", "close", "end, with a lease"})
            if (each.name == name) operations.push_back(each);
    const pool::testing::limits within{.preemptions = preemptions(4, 2), .schedules = 1'000'000'000};
    return explore_from_each_start(operations, 2, {}, within);
}

}  // namespace
}  // namespace interleavings

TEST_CASE("observe: in each order of two operations, every event is told in its order, once [C29]") {
    explore_observed<observed_idle>().print("pairs in a pool that bounds what is idle");
    explore_observed<observed_open>().print("pairs in a pool that bounds what is open");
}
