// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>

#include <pool/policies/capacity.hpp>

/// @file
/// The bounds of most tests. In a test the time stands still, so with any patience a connection that comes back would
/// stay idle until its caller looks.

/// The same bounds with a patience of zero: nobody overtakes, and a connection that comes back is handed over.
constexpr pool::bounded_open strict(pool::bounded_open bounds) {
    bounds.patience = std::chrono::nanoseconds::zero();
    return bounds;
}
