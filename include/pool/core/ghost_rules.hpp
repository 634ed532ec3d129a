// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <pool/core/platform.hpp>

/// @file
/// The words in which a simulated pool is told of its bounds and of its callers.

namespace pool::core {

/// The bounds of a simulated pool, as they are for one key.
struct ghost_bounds {
    static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();  ///< no bound

    std::size_t idle = none;          ///< idle connections in all
    std::size_t idle_of_key = none;   ///< idle connections of the key
    std::size_t open = none;          ///< open connections in all
    std::size_t open_of_key = none;   ///< open connections of the key
    std::size_t dials_of_key = none;  ///< dials of the key at once
};

/// How the real pool serves a caller at once.
enum class real_service : unsigned char {
    lends,         ///< it lends an idle connection
    dials,         ///< it dials
    dials_anyway,  ///< the same, whatever is idle
};

/// How long a use of a connection is.
struct use_times {
    std::chrono::nanoseconds hold;            ///< while a caller has it
    std::chrono::nanoseconds dial;            ///< before that, if it is dialled
    std::chrono::nanoseconds hold_of_most{};  ///< the mean of `hold`

    /// Whether uses with and without a dial must be told apart.
    bool has_slow_dial() const noexcept { return dial > hold_of_most / 16; }
    std::chrono::nanoseconds of(bool dials) const noexcept { return dials ? hold + dial : hold; }  ///< in all
};

/// A key of the real pool, whose type the simulations do not know.
struct ghost_key {
    const void* key;
    std::size_t hash;
};

/// Simulated pools, a bit for each.
using ghost_mask = std::uint16_t;

/// Whether a caller had to wait.
enum class arrival : unsigned char {
    none,    ///< it has not come before, or its entry has what is known
    served,  ///< it was served without having to wait
    queued,  ///< it had to wait
};

/// A caller, as far as it is known how it came.
struct comer {
    arrival how = arrival::none;
    ghost_mask those = 0;      ///< where its use is the same as in the real pool, if it did not have to wait
    std::uint64_t ticket = 0;  ///< the later it came, the greater
    std::uint32_t estimate = 0;  ///< how often the estimate had begun anew then
};

}  // namespace pool::core
