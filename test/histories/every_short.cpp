// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>

#include <doctest/doctest.h>

#include <pool/policies/capacity.hpp>

#include <histories/short_history.hpp>
#include <support/tier.hpp>

// Every short history of a pool and of its model.

using namespace histories;

namespace {

constexpr std::array<std::size_t, 4> bounds{0, 1, 2, pool::no_limit};
constexpr std::array orders{pool::reuse_order::oldest_first, pool::reuse_order::newest_first};
constexpr std::size_t settings_in_all = bounds.size() * bounds.size() * orders.size();

/// Returns how much it has run.
counts run_all(const policies& kind, alphabet letters, std::size_t operations) {
    counts all;
    for (const std::size_t max_idle : bounds)
        for (const std::size_t max_idle_per_key : bounds)
            for (const pool::reuse_order reuse : orders) {
                const settings chosen{.max_idle = max_idle,
                    .max_idle_per_key = max_idle_per_key,
                    .ttl = std::chrono::microseconds{100},
                    .lifetime = {std::chrono::microseconds{150}, 0.2, 1},
                    .max_uses = 2,
                    .reuse = reuse};
                const auto run = [&](choice_source& from, const std::function<bool()>& is_new, teller& tell) {
                    short_history{kind, chosen, letters, from, is_new, tell}.run();
                };
                all += run_every_way(run, operations);
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
    run_all(alphabet::whole, whole_length + is_full_tier());
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
