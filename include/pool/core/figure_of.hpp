// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

#include <pool/connection_state.hpp>
#include <pool/retirement.hpp>
#include <pool/stats.hpp>

/// @file
/// Which figure of a pool counts a retirement. So a figure is the sum of the events that it counts.

namespace pool::core {

/// The figure that counts a connection that is retired from where it `was`; none for those that no figure counts.
constexpr std::uint64_t pool::stats::*figure_of(retirement why, connection_state was) noexcept {
    const bool was_idle = was == connection_state::idle;
    switch (why) {
    case retirement::evicted_for_key:
    case retirement::evicted_for_pool: return &pool::stats::evicted;
    case retirement::expired:
    case retirement::expired_idle:
    case retirement::expired_lifetime:
    case retirement::expired_uses:
    case retirement::expired_own: return &pool::stats::expired;
    case retirement::dead: return was_idle ? &pool::stats::found_closed : &pool::stats::refused;
    case retirement::unhealthy: return &pool::stats::found_unhealthy;
    case retirement::keep_alive_failed: return &pool::stats::failed_keep_alives;
    case retirement::reset_failed: return &pool::stats::failed_resets;
    case retirement::cleared: return &pool::stats::cleared;
    case retirement::invalidated:
        return was == connection_state::dialling ? &pool::stats::outdated_dials : &pool::stats::invalidated;
    case retirement::refused: return &pool::stats::refused;
    case retirement::discarded: return &pool::stats::discarded;
    case retirement::detached: return &pool::stats::detached;
    case retirement::pool_closed:
        if (was == connection_state::dialling) return nullptr;
        return was_idle ? &pool::stats::cleared : &pool::stats::refused;
    default: return nullptr;
    }
}

}  // namespace pool::core
