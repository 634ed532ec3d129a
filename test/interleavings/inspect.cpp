// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>
#include <range/v3/range/primitives.hpp>

#include <pool/inspect.hpp>

#include <interleavings/operations.hpp>

// A look into a pool that traces its leases, beside the operations that change what it sees.

using namespace interleavings;

namespace {

/// It is made in another way than that of the other explorations.
struct traced_bounds : pool::bounded {};
struct traced_open_bounds : pool::bounded_open {};

template <class Capacity>
using traced_pool = pool::basic_pool<int, connection, Capacity, pool::after_idle, scheduled_lock, scheduled_clock>;
using traced_idle = traced_pool<traced_bounds>;
using traced_open = traced_pool<traced_open_bounds>;

}  // namespace

namespace interleavings {

template <>
struct maker<traced_idle> {
    static constexpr std::size_t max_idle = 2;
    static void make(std::optional<traced_idle>& into, const setting&, std::size_t) {
        into.emplace(traced_bounds{{.max_idle = max_idle, .max_idle_per_key = 1}}, pool::after_idle{time_to_live},
            pool::pool_settings{.trace_leases = true});
    }
};
template <>
struct maker<traced_open> {
    static constexpr std::size_t max_idle = 2;
    static void make(std::optional<traced_open>& into, const setting& how, std::size_t open) {
        into.emplace(traced_open_bounds{maker<open_pool>::bounds(open, how.patience)}, pool::after_idle{time_to_live},
            pool::pool_settings{.trace_leases = true});
    }
};

namespace {

/// Each connection is told once, and a caller's lease is as the pool knows it.
template <class Pool>
void look(scene<Pool>& all, std::size_t) {
    const auto seen = pool::inspect(*all.conns);
    for (const auto& each : seen) {
        const bool has_lease = each.lent_for.has_value();
        all.counted.test.require(
            !has_lease || each.state == pool::connection_state::lent, "who has a lease has a lent connection");
        all.counted.test.require(each.state != pool::connection_state::idle || each.idle_for.has_value(),
            "what is idle has been so for some time");
    }
    all.counted.test.require(
        ranges::distance(seen) <= static_cast<std::ptrdiff_t>(most_operations + 2), "each connection is told once");
}

template <class Pool>
total explore_looks() {
    std::vector<operation<Pool>> operations{{"inspect", look<Pool>}};
    for (const auto& each : common_operations<Pool>())
        for (const std::string_view name : {"acquire", "try_acquire", "give back", "discard", "detach", "put", "take",
                 "expire", "upkeep", "clear", "invalidate", "close", "close, with a lease"})
            if (each.name == name) operations.push_back(each);
    const pool::testing::limits within{.preemptions = preemptions(5, 3), .schedules = 1'000'000'000};
    return explore_from_each_start(operations, 2, {}, within);
}

}  // namespace
}  // namespace interleavings

TEST_CASE("inspect: beside it, every operation keeps its promises, and it tells what is so [C1, C12]") {
    explore_looks<traced_idle>().print("pairs in a pool that bounds what is idle");
    explore_looks<traced_open>().print("pairs in a pool that bounds what is open");
}
