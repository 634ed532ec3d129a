// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <pool/core/platform.hpp>

/// @file
/// The figures of a pool: what it has done and what it holds. Each figure changes in the same locked step as the thing
/// that it counts. So these equations hold in every snapshot:
/// - `hits + misses` is the number of look-ups;
/// - `puts == idle + hits + checking + evicted + expired + refused + cleared + invalidated + found_closed +
///   found_unhealthy + failed_keep_alives`.

namespace pool {

/// The figures of a whole pool since it was made. A snapshot: later work does not change it.
struct stats {
    // look-ups: acquire, try_acquire, take, and each call through a pooled_connection
    std::uint64_t hits = 0;             ///< found an idle connection
    std::uint64_t misses = 0;           ///< found none
    std::uint64_t dials = 0;            ///< dials that opened a connection
    std::uint64_t failed_dials = 0;     ///< dials that threw, reported an error, or returned a dead connection
    std::uint64_t outdated_dials = 0;   ///< dials whose connection was closed, because of an invalidate meanwhile
    std::uint64_t skipped_blocked = 0;  ///< blocked connections that look-ups skipped

    // what came in: put, and leases given back
    std::uint64_t puts = 0;     ///< all of them, kept or not
    std::uint64_t refused = 0;  ///< puts that were not kept: dead already, no capacity, or the pool is closed

    // why idle connections left, other than by a hit
    std::uint64_t evicted = 0;       ///< because a bound was exceeded
    std::uint64_t expired = 0;       ///< because they had expired
    std::uint64_t cleared = 0;       ///< by clear and close
    std::uint64_t invalidated = 0;   ///< by invalidate: idle ones, and lent ones when they came back
    std::uint64_t found_closed = 0;  ///< found dead by a look-up or a sweep

    std::uint64_t found_unhealthy = 0;     ///< because their health check failed
    std::uint64_t failed_keep_alives = 0;  ///< because their keep-alive failed

    std::uint64_t kept_alive = 0;  ///< keep-alives of idle connections that went well

    // how lent connections left for good
    std::uint64_t discarded = 0;  ///< closed instead of given back, or because a `take` could not move them
    std::uint64_t detached = 0;   ///< kept by the caller

    std::uint64_t failed_resets = 0;  ///< closed, because their reset failed

    std::uint64_t failed_closes = 0;  ///< closes that threw

    // only of a pool that has an observer
    std::uint64_t lost_events = 0;    ///< events that it was not told: it was too slow, or there was no memory
    std::uint64_t failed_events = 0;  ///< calls of it that threw

    // what it holds now
    std::size_t idle = 0;     ///< idle connections
    std::size_t lent = 0;     ///< connections that are lent
    std::size_t checking = 0;  ///< lent connections that are being checked, or kept alive
    std::size_t closing = 0;   ///< retired connections whose close has not returned yet
    std::size_t keys = 0;     ///< keys that have a connection, idle or lent

    std::size_t idle_weight = 0;  ///< of the idle connections together, if the capacity policy bounds it

    // only of a pool that bounds the open connections
    std::size_t dialing = 0;                    ///< running dials
    std::size_t waiting = 0;                    ///< waiting callers
    std::uint64_t overtaken = 0;                ///< connections that went past a caller who had waited longer
    std::uint64_t timed_out = 0;                ///< callers that left the wait queue because their deadline passed
    std::uint64_t cancelled = 0;                ///< callers that left it because they were cancelled
    std::uint64_t queue_full = 0;               ///< callers that were refused because too many were waiting
    std::chrono::nanoseconds total_wait{};      ///< of all callers that have waited, until they were served or gave up
    std::chrono::nanoseconds longest_wait{};    ///< the longest of these

    friend bool operator==(const stats&, const stats&) = default;  ///< figure by figure

    /// Adds each figure of another pool to this one's.
    stats& operator+=(const stats& other) noexcept {
        hits += other.hits;
        misses += other.misses;
        dials += other.dials;
        failed_dials += other.failed_dials;
        outdated_dials += other.outdated_dials;
        skipped_blocked += other.skipped_blocked;
        puts += other.puts;
        refused += other.refused;
        evicted += other.evicted;
        expired += other.expired;
        cleared += other.cleared;
        invalidated += other.invalidated;
        found_closed += other.found_closed;
        found_unhealthy += other.found_unhealthy;
        failed_keep_alives += other.failed_keep_alives;
        kept_alive += other.kept_alive;
        discarded += other.discarded;
        detached += other.detached;
        failed_resets += other.failed_resets;
        failed_closes += other.failed_closes;
        lost_events += other.lost_events;
        failed_events += other.failed_events;
        idle += other.idle;
        lent += other.lent;
        checking += other.checking;
        closing += other.closing;
        keys += other.keys;
        idle_weight += other.idle_weight;
        dialing += other.dialing;
        waiting += other.waiting;
        overtaken += other.overtaken;
        timed_out += other.timed_out;
        cancelled += other.cancelled;
        queue_full += other.queue_full;
        total_wait += other.total_wait;
        longest_wait = std::max(longest_wait, other.longest_wait);
        return *this;
    }
};

/// The figures of one key.
struct key_stats {
    std::size_t idle = 0;  ///< idle connections
    std::size_t lent = 0;  ///< connections that are lent

    // only of a pool that bounds the open connections
    std::size_t dialing = 0;  ///< running dials
    std::size_t waiting = 0;  ///< waiting callers

    friend bool operator==(const key_stats&, const key_stats&) = default;  ///< figure by figure
};

}  // namespace pool
