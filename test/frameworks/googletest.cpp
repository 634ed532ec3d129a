// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "a_wait.hpp"

TEST(Explore, WorksWithGoogleTest) {
    const auto found = explore_a_wait<true>();
    EXPECT_TRUE(found) << found;
    EXPECT_TRUE(found.all) << found;

    const auto wrong = explore_a_wait<false>();
    EXPECT_FALSE(wrong);
    EXPECT_NE(wrong.text.find("a lost wake-up"), std::string::npos) << wrong.text;
}
