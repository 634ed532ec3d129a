// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

#include <doctest/doctest.h>

#include <pool/stats.hpp>

/// @file
/// What the documentation of `stats` says of any snapshot.

namespace figures {

/// Where all the connections went that came in: at every instant, as many as `puts`.
inline std::uint64_t accounted_puts(const pool::stats& s) {
    return s.idle + s.hits + s.evicted + s.expired + s.refused + s.cleared + s.found_closed;
}

/// The identities of `stats`, for a pool that has only been asked by calls of this many look-ups.
inline void check_exact(const pool::stats& s, std::uint64_t look_ups) {
    CHECK(s.hits + s.misses == look_ups);
    CHECK(s.puts == accounted_puts(s));
}

}  // namespace figures
