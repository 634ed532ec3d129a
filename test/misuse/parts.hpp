// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/pool.hpp>

/// @file
/// What is right in the snippets, so that each shows only its own mistake.

/// A connection.
struct session {
    void close() {}
    bool closed() const noexcept { return false; }
    bool unblocked() const noexcept { return true; }
};

inline session dial(int) { return {}; }
