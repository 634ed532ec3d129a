// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>

#include <doctest/doctest.h>

#include <pool/policies/capacity.hpp>

#include <histories/short_history.hpp>
#include <support/tier.hpp>

// Every short history of a pool that is invalidated and paused, also while it calls a hook or a dial, and of its model.

using namespace histories;

namespace {

constexpr std::array<std::size_t, 2> idle_bounds_tried{1, pool::no_limit};
constexpr std::array orders_tried{pool::reuse_order::oldest_first, pool::reuse_order::newest_first};

/// Returns how much it has run.
counts run_paused(const policies& kind, std::size_t operations) {
    using std::chrono::microseconds;
    counts all;
    for (const std::size_t max_idle : idle_bounds_tried)
        for (const pool::reuse_order reuse : orders_tried) {
            const settings chosen{.max_idle = max_idle,
                .max_idle_per_key = pool::no_limit,
                .ttl = microseconds{100},
                .lifetime = {microseconds{150}, 0.2, 1},
                .reuse = reuse,
                .keep_alive_every = microseconds{20}};
            const auto run = [&](choice_source& from, const std::function<bool()>& is_new, teller& tell) {
                short_history{kind, chosen, alphabet::paused, from, is_new, tell}.run();
            };
            all += run_every_way(run, operations);
        }
    return all;
}

}  // namespace

TEST_CASE("every short history: a pool that is invalidated and paused has the results that the model has [C24, C26]") {
    const std::size_t length = main_length - 1 + is_full_tier();
    const counts all = run_paused(pools_with_hooks().front(), length);
    MESSAGE("4 settings, " << length << " operations: " << all.histories << " histories, " << all.operations
                           << " operations");
}

TEST_CASE("every short history: pools of all policies that are invalidated and paused have the model's results") {
    const std::size_t length = main_length - 3 + is_full_tier();
    counts all;
    std::size_t kinds = 0;
    for (const auto& some :
        {pools_with_hooks(), pools_that_expire(), pools_that_never_expire(), pools_that_bound_open()}) {
        kinds += some.size();
        for (const policies& kind : some) all += run_paused(kind, length);
    }
    MESSAGE(kinds << " combinations of policies, 4 settings, " << length << " operations: " << all.histories
                  << " histories, " << all.operations << " operations");
}
