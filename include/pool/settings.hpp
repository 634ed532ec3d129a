// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>

#include <pool/core/platform.hpp>

/// @file
/// What is chosen for a pool at run time, beside its policies.

namespace pool {

/// Which idle connection of a key is handed out.
enum class reuse_order : unsigned char {
    oldest_first,  ///< the one given back first: all are used alike, so all stay warm
    newest_first,  ///< the one given back last: those not needed grow old and expire
};

/// The settings of a pool.
struct pool_settings {
    reuse_order reuse = reuse_order::oldest_first;  ///< which idle connection of a key is handed out first
    std::string name = {};                          ///< how error messages call the pool
};

}  // namespace pool
