// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>

#include <doctest/doctest.h>

#include <pool/policies/capacity.hpp>

#include <histories/short_history.hpp>
#include <support/tier.hpp>

// Every short history of a pool that is invalidated and paused, also while it calls a hook or a dial, and of its model.

using namespace histories;

namespace {

/// Returns how much it has run.
counts run_paused(const policies& kind, std::size_t operations) {
    counts all;
    for (const std::size_t max_idle : {std::size_t{1}, pool::no_limit})
        for (settings chosen : in_both_orders(max_idle)) {
            chosen.keep_alive_every = std::chrono::microseconds{20};
            all += run_every_short(kind, chosen, alphabet::paused, operations);
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
    for (const auto& some : pools_of_all_kinds()) {
        kinds += some.size();
        for (const policies& kind : some) all += run_paused(kind, length);
    }
    MESSAGE(kinds << " combinations of policies, 4 settings, " << length << " operations: " << all.histories
                  << " histories, " << all.operations << " operations");
}
