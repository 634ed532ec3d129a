// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <interleavings/operations.hpp>

// Three operations at once on a pool that bounds what is open: those of which two already do the most to each other.

using namespace interleavings;

namespace {

std::vector<operation<open_pool>> dangerous_operations() {
    constexpr std::array<std::string_view, 14> names{"acquire", "acquire, the dial fails", "acquire with a deadline",
        "acquire with a stop", "stop", "give back", "discard", "put", "take", "clear", "close", "fewer connections",
        "more connections", "drain"};
    std::vector<operation<open_pool>> chosen;
    for (const auto& each : open_operations()) {
        if (std::find(names.begin(), names.end(), each.name) != names.end()) chosen.push_back(each);
    }
    REQUIRE(chosen.size() == names.size());
    return chosen;
}

}  // namespace

TEST_CASE("a pool that bounds what is open: three operations keep its promises, where three threads are stopped") {
    if (!is_plain) {
        MESSAGE("only without sanitizers");
        return;
    }
    const pool::testing::limits within{.preemptions = 3, .schedules = 20'000'000};
    explore_all(dangerous_operations(), 3, {.patience = patience}, within).print("triples");
}

TEST_CASE("a pool that bounds what is open: three operations keep its promises, however often one is stopped") {
    if (!is_full_tier() || !is_plain) {
        MESSAGE("only in the full tier, without sanitizers");
        return;
    }
    const pool::testing::limits within{.schedules = 1'000'000'000, .time = total::is_cut, .skips_equivalent = true};
    explore_all(dangerous_operations(), 3, {}, within).print("triples, 10 s each at most");
}
