// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdlib>
#include <string_view>

/// @file
/// Some tests have a longer form. `scripts/test.sh --full` asks for it by `POOL_TESTS_FULL=1`.

inline bool is_full_tier() {
    const char* const asked = std::getenv("POOL_TESTS_FULL");
    return asked != nullptr && std::string_view{asked} == "1";
}
