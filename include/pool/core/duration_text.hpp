// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>

#include <pool/core/platform.hpp>

/// @file
/// A time as a person reads it.

namespace pool::core {

/// Three digits of a time, in the largest unit of which it is one at least: "1.25 s", "340 ms", "12.5 min".
inline std::string duration_text(std::chrono::nanoseconds time) {
    struct unit {
        double length;  ///< in nanoseconds
        const char* name;
    };
    constexpr std::array<unit, 7> units{{{86'400e9, "d"}, {3'600e9, "h"}, {60e9, "min"}, {1e9, "s"}, {1e6, "ms"},
        {1e3, "us"}, {1, "ns"}}};
    const auto length = static_cast<double>(time.count());
    const double size = length < 0 ? -length : length;
    std::size_t which = 0;
    while (which + 1 != units.size() && size < units[which].length) ++which;
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.3g %s", length / units[which].length, units[which].name);
    return text.data();
}

}  // namespace pool::core
