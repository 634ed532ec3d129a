// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>

#include <pool/settings.hpp>

/// @file
/// The rules that a store gets when it is made.

namespace pool::core {

/// How a store lends.
struct lending_rules {
    reuse_order reuse = reuse_order::oldest_first;  ///< in which order it looks at the idle entries of a key
    /// An entry that has been idle for less than this need not be checked before it is used.
    std::chrono::nanoseconds check_after{};
    unsigned forks = 0;  ///< how often processes have forked until this one
};

}  // namespace pool::core
