// SPDX-License-Identifier: BSL-1.0
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

#include "a_wait.hpp"

TEST_CASE("explore works with Catch2") {
    const auto found = explore_a_wait<true>();
    CHECK(found);
    CHECK(found.all);

    const auto wrong = explore_a_wait<false>();
    CHECK_FALSE(wrong);
    CHECK_THAT(wrong.text, Catch::Contains("a lost wake-up"));
}
