// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include <pool/testing/kernel/sanitizers.hpp>
#include <pool/testing/scheduler.hpp>

/// @file
/// Which locks the calling thread holds, and how long it held them. A `probe_lock` writes it down. The fakes ask it: none
/// of them may be dialled, used, closed or destroyed under a lock (C8). In an exploration they ask the exploration: it
/// knows its own locks, so probe locks are for tests with real threads.
///
/// How long is counted in *steps*, so it does not depend on the machine. A step is one call of a function that the kit
/// provides and that a pool may call under its lock: whether a fake connection is closed or unblocked; a hash, a
/// comparison, a copy, a move or the destruction of a `fallible`; and what a test's own types report by `step()`.

namespace pool::testing {

/// What was done with probe locks.
struct lock_use {
    std::uint64_t times = 0;    ///< how often one was locked, each return from a wait included
    std::uint64_t longest = 0;  ///< the most steps for which one was held

    /// One more hold, of so many steps.
    void add(std::uint64_t steps) noexcept {
        ++times;
        longest = std::max(longest, steps);
    }
};

/// What is known of one thread.
struct held_locks {
    int count = 0;            ///< how many probe locks it holds now
    std::uint64_t steps = 0;  ///< how many steps it has made in all
    lock_use use;             ///< what it has done so far
};

/// The calling thread's.
inline held_locks& held_by_this_thread() noexcept {
    static thread_local held_locks mine;
    return mine;
}

/// Reports a step. Call it from a function that is counted.
inline void step() noexcept {
    const kernel::unwatched own;
    ++held_by_this_thread().steps;
}

/// Whether the calling thread holds a probe lock or, in an exploration, a scheduled lock.
inline bool is_under_lock() noexcept {
    const kernel::unwatched own;
    if (const scheduler* const running = scheduler::running()) return running->has_lock();
    return held_by_this_thread().count != 0;
}

/// What the calling thread does with probe locks in `act()`. The locks of a pool cannot be reached, but their use can be
/// counted in this way.
template <class Act>
[[nodiscard]] lock_use lock_use_of(Act act) {
    lock_use& mine = held_by_this_thread().use;
    const lock_use before = std::exchange(mine, {});
    act();
    const lock_use now = mine;
    mine = {before.times + now.times, std::max(before.longest, now.longest)};
    return now;
}

}  // namespace pool::testing
