// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <chrono>
#include <cstddef>

#include <doctest/doctest.h>

#include <pool/policies/capacity.hpp>

#include <histories/short_history.hpp>
#include <support/tier.hpp>

// Every short history of a pool whose connections are checked, reset and kept alive, or are opened ahead of their
// callers, and of its model.

using namespace histories;

namespace {

/// When a connection is checked and kept alive, in microseconds.
struct tending {
    int check_after;       ///< 0 is always
    int keep_alive_every;  ///< 0 is never
};
constexpr std::array<tending, 3> all_tending{{{0, 60}, {30, 0}, {30, 20}}};
constexpr std::array<std::size_t, 2> most_idle{2, pool::no_limit};
const std::size_t tended_settings = all_tending.size() * most_idle.size() * in_both_orders(1).size();

/// Returns how much it has run.
counts run_tended(const policies& kind, std::size_t operations) {
    using std::chrono::microseconds;
    counts all;
    for (const std::size_t max_idle : most_idle)
        for (settings chosen : in_both_orders(max_idle))
            for (const tending& each : all_tending) {
                chosen.max_uses = 2;
                chosen.check_after = microseconds{each.check_after};
                chosen.keep_alive_every = microseconds{each.keep_alive_every};
                all += run_every_short(kind, chosen, alphabet::tended, operations);
            }
    return all;
}

}  // namespace

TEST_CASE("every short history: connections with hooks have the results that the model has [C20, C21, C22]") {
    const std::size_t length = main_length - 1 + is_full_tier();
    const counts all = run_tended(pools_with_hooks().front(), length);
    MESSAGE(tended_settings << " settings, " << length << " operations: " << all.histories << " histories, "
                            << all.operations << " operations");
}

TEST_CASE("every short history: pools of other policies have the results that the model has, with hooks or ahead") {
    const std::size_t length = main_length - 3 + is_full_tier();
    counts all;
    std::size_t kinds = 0;
    for (const auto& some : pools_of_all_kinds()) {
        kinds += some.size();
        for (const policies& kind : some) all += run_tended(kind, length);
    }
    MESSAGE(kinds << " combinations of policies, " << tended_settings << " settings, " << length
                  << " operations: " << all.histories << " histories, " << all.operations << " operations");
}
