// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <ostream>
#include <string_view>

#include <pool/core/platform.hpp>

/// @file
/// Where a connection of a pool is.

namespace pool {

/// Where a connection is.
enum class connection_state : unsigned char {
    dialling,  ///< it is being opened
    idle,      ///< the pool has it
    lent,      ///< a caller has it, or a hook of the pool
    closing,   ///< it is being closed
};

/// Its name.
constexpr std::string_view to_string(connection_state state) noexcept {
    switch (state) {
    case connection_state::dialling: return "dialling";
    case connection_state::idle: return "idle";
    case connection_state::lent: return "lent";
    default: return "closing";
    }
}
inline std::ostream& operator<<(std::ostream& out, connection_state state) { return out << to_string(state); }  ///< its name

}  // namespace pool
