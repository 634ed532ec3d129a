// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/testing/event_log.hpp>

/// @file
/// The numbers of connections, in an order that a test checks.

namespace fake {

/// A vector that a failed assertion prints. A file that uses it says `using fake::ids;`.
using ids = pool::testing::sequence<int>;

}  // namespace fake
