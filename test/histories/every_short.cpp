// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <cstddef>

#include <doctest/doctest.h>

#include <pool/policies/capacity.hpp>

#include <histories/short_history.hpp>
#include <support/tier.hpp>

// Every short history of a pool and of its model.

using namespace histories;

namespace {

constexpr std::array<std::size_t, 4> bounds{0, 1, 2, pool::no_limit};
const std::size_t settings_in_all = bounds.size() * bounds.size() * in_both_orders(1).size();

/// Returns how much it has run.
counts run_all(const policies& kind, alphabet letters, std::size_t operations) {
    counts all;
    for (const std::size_t max_idle : bounds)
        for (const std::size_t max_idle_per_key : bounds)
            for (settings chosen : in_both_orders(max_idle)) {
                chosen.max_idle_per_key = max_idle_per_key;
                chosen.max_uses = 2;
                all += run_every_short(kind, chosen, letters, operations);
            }
    return all;
}

void run_all(alphabet letters, std::size_t operations) {
    const counts all = run_all(pools_that_expire().front(), letters, operations);
    MESSAGE(settings_in_all << " settings, " << operations << " operations: " << all.histories << " histories, "
                            << all.operations << " operations");
}

}  // namespace

TEST_CASE("every short history: the main operations have the results that the model has") {
    run_all(alphabet::main, main_length + is_full_tier());
}

TEST_CASE("every short history: all operations have the results that the model has") {
    run_all(alphabet::whole, is_full_tier() ? whole_length + 1 : std::min<std::size_t>(whole_length, 3));
}

TEST_CASE("every short history: pools of all policies have the results that the model has") {
    const std::size_t length = main_length - 2 + is_full_tier();
    counts all;
    std::size_t kinds = 0;
    for (const auto& some : {pools_that_expire(), pools_that_never_expire(), pools_that_bound_open()}) {
        kinds += some.size();
        for (const policies& kind : some) all += run_all(kind, alphabet::main, length);
    }
    MESSAGE(kinds << " combinations of policies, " << settings_in_all << " settings, " << length
                  << " operations: " << all.histories << " histories, " << all.operations << " operations");
}
