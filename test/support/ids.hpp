// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <ostream>
#include <utility>
#include <vector>

/// @file
/// The numbers of connections, in an order that a test checks.

namespace fake {

/// A vector that a failed assertion prints. A file that uses it says `using fake::ids;`.
struct ids : std::vector<int> {
    using vector::vector;
    ids(vector all) : vector{std::move(all)} {}

    friend std::ostream& operator<<(std::ostream& out, const ids& all) {
        out << '{';
        const char* separator = "";
        for (const int id : all) out << std::exchange(separator, ", ") << id;
        return out << '}';
    }
};

}  // namespace fake
