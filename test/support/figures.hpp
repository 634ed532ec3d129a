// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

#include <doctest/doctest.h>

#include <pool/stats.hpp>

/// @file
/// The identities that the documentation of `stats` promises for every snapshot.

namespace figures {

/// Where all connections went that came into the pool. At every instant, this is equal to `puts`.
inline std::uint64_t accounted_puts(const pool::stats& s) {
    return s.idle + s.hits + s.checking + s.evicted + s.expired + s.refused + s.cleared + s.invalidated +
           s.found_closed + s.found_unhealthy + s.failed_keep_alives;
}

/// Checks the identities of `stats` for a pool whose calls have made this many look-ups.
inline void check_exact(const pool::stats& s, std::uint64_t look_ups) {
    CHECK(s.hits + s.misses == look_ups);
    CHECK(s.puts == accounted_puts(s));
}

}  // namespace figures
