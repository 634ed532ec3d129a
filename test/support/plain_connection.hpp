// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The least that a pool asks of a connection.

namespace fake {

struct plain_connection {
    void close() {}
    bool closed() const noexcept { return false; }
    bool unblocked() const noexcept { return true; }
};

}  // namespace fake
