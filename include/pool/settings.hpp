// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <string>

#include <pool/event.hpp>

/// @file
/// The run-time settings of a pool, in addition to its policies.

namespace pool {

/// Which idle connection of a key is lent.
enum class reuse_order : unsigned char {
    oldest_first,  ///< the one that was given back first: all are used equally often, so none grows old
    newest_first,  ///< the one that was given back last: surplus connections stay idle and expire
};

/// The settings of a pool.
struct pool_settings {
    reuse_order reuse = reuse_order::oldest_first;  ///< which idle connection of a key is lent first
    std::string name = {};                          ///< how error messages call the pool
    /// How long a connection has to be idle before its health is checked; zero is always.
    std::chrono::nanoseconds check_after{0};
    /// How often an idle connection is kept alive, by `upkeep`; zero is never.
    std::chrono::nanoseconds keep_alive_every{0};
    bool discard_unless_kept = false;               ///< a lease is given back only after `lease::keep`; a call, always
    /// Keeps for each connection when it was opened and lent, how often, and by which call: see `inspect`.
    bool trace_leases = false;
    bool histograms = false;  ///< counts how long waits, uses, dials and closes take: see `basic_pool::histograms`
    /// Simulates the pool with higher bounds, and so finds out what these would have saved: see `savings`.
    bool ghosts = false;
    /// Is called for each event, without the lock. One thread at a time calls it, but for a `sharded_pool` one of each shard. What
    /// it throws is counted, and ignored. It must not destroy the pool, and should be quick. What happens after the pool was
    /// destroyed is not told.
    event_observer on_event = {};
};

/// Options of an `invalidate`: each does more than to close what is outdated.
struct invalidate_options {
    bool interrupt = false;     ///< requests a stop of the outdated dials, by their `dial_context`
    bool fail_waiting = false;  ///< callers that wait fail with `acquire_invalidated`; else they are served anew
};

/// The type of `wait_for_resume`.
struct wait_for_resume_t {
    explicit wait_for_resume_t() = default;
};

/// The argument of a `pause` during which callers wait: those that wait already, and those that come.
inline constexpr wait_for_resume_t wait_for_resume{};

/// The type of `discard_unless_kept`.
struct discard_unless_kept_t {
    explicit discard_unless_kept_t() = default;
};

/// The last argument of an `acquire` or `try_acquire` whose lease is given back only after `lease::keep`. It is for code
/// that reports failures without exceptions: `pool.acquire(key, dial, pool::discard_unless_kept)`.
inline constexpr discard_unless_kept_t discard_unless_kept{};

}  // namespace pool
