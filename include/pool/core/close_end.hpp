// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>

#include <pool/core/what.hpp>

/// @file
/// The end of a close, as figures and notes take it.

namespace pool::core {

/// How the close of a connection ended.
struct close_end {
    bool failed = false;              ///< it threw
    std::chrono::nanoseconds took{};  ///< how long it took, if somebody wants to know
    kept_error why = nullptr;         ///< its error, the same
};

}  // namespace pool::core
