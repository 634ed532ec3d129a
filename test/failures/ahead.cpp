// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <utility>

#include <doctest/doctest.h>

#include <support/failing_pool.hpp>

// Each call of foreign code fails in turn, while a pool opens connections ahead of their callers.

namespace failures_ahead_cases {

using namespace failing;

namespace {

constexpr auto one_of_it_lent = [](auto& w) { w.acquire(w.a); };
constexpr auto full_of_two = [](auto& w) {
    w.put(w.a);
    w.put(w.a);
    w.put(w.b);
};

}  // namespace

TEST_CASE_TEMPLATE("failures: prewarm [C12]", Pool, idle_pool, open_pool, shards) {
    using world = world_of<Pool>;
    scenarios all;
    const auto prewarm = [](world& w) { (void)w.conns->prewarm(w.a, 2, w.dialer()); };
    all.add<world>("of a new key", promise::basic, nothing, prewarm);
    all.add<world>("of a known key", promise::basic, one_of_it_lent, prewarm);
    all.add<world>("of a full pool", promise::strong, full_of_two, prewarm);
}

TEST_CASE_TEMPLATE("failures: min_idle, and its upkeep [C12]", Pool, idle_pool, open_pool, shards) {
    using world = world_of<Pool>;
    scenarios all;
    const auto keep_up = [](world& w) { w.conns->min_idle(w.a, 2, w.dialer()); };
    const auto stop = [](world& w) {
        const disarmed unnoticed;
        w.conns->min_idle(w.a, 0, w.dialer());
    };
    const auto keep_up_and_stop = [&](world& w) {
        try {
            keep_up(w);
        } catch (...) {
            stop(w);
            throw;
        }
        stop(w);
    };
    all.add<world>("said", promise::strong, nothing, keep_up_and_stop);
    all.add<world>("said again", promise::strong, keep_up, keep_up_and_stop);
    all.add<world>("upkeep", promise::basic, keep_up, [&](world& w) {
        w.conns->upkeep();
        stop(w);
    });
}

}  // namespace failures_ahead_cases
