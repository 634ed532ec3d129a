// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>
#include <range/v3/range/primitives.hpp>

#include <pool/inspect.hpp>

#include <support/failing_pool.hpp>

// Each call of foreign code fails in turn, while somebody looks into a pool, or while it traces its leases.

namespace failures_inspecting_cases {

using namespace failing;

namespace {

/// A world whose pool traces its leases.
template <class Pool>
struct traced_world : world_of<Pool> {
    traced_world() : world_of<Pool>{false, true} {}
};

constexpr auto two_idle = [](auto& w) {
    w.put(w.a);
    w.put(w.b);
};

}  // namespace

TEST_CASE_TEMPLATE("failures: inspect [C12]", Pool, idle_pool, open_pool, shards) {
    using world = traced_world<Pool>;
    scenarios all;
    all.add<world>("of an empty pool", promise::strong, nothing, [](world& w) { (void)pool::inspect(*w.conns); });
    all.add<world>(
        "of three connections", promise::strong,
        [](world& w) {
            two_idle(w);
            w.acquire(w.c);
        },
        [](world& w) { (void)pool::inspect(*w.conns); });
    all.add<world>("and views", promise::strong, two_idle, [](world& w) {
        (void)ranges::distance(pool::inspect(*w.conns) | pool::views::by_key);
        (void)ranges::distance(pool::inspect(*w.conns) | pool::views::oldest_first | pool::views::of(w.a));
    });
}

TEST_CASE_TEMPLATE("failures: a pool that traces its leases [C12]", Pool, idle_pool, open_pool, shards) {
    using world = traced_world<Pool>;
    scenarios all;
    all.add<world>("acquire, and dial", promise::strong, nothing, [](world& w) { w.acquire(w.a); });
    all.add<world>("acquire what is idle", promise::strong, two_idle, [](world& w) { w.acquire(w.a); });
    all.add<world>(
        "give back", promise::none, [](world& w) { w.acquire(w.a); }, [](world& w) { w.held.clear(); });
    all.add<world>("close", promise::none, two_idle, [](world& w) {
        w.is_closed = true;
        w.conns.reset();
    });
}

}  // namespace failures_inspecting_cases
