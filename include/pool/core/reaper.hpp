// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <stop_token>
#include <thread>
#include <type_traits>

#include <pool/policies/clock.hpp>
#include <pool/policies/lock.hpp>

/// @file
/// The thread that closes what is due, for pools whose owner has no event loop to do it.

namespace pool {

/// Calls `expire()` whenever something may be due, and sleeps in between. It wakes at `next_expiry()`: at the earliest
/// deadline or, while nothing is idle, after the time that a connection given back just now would have. So nobody has to
/// wake it, and giving back costs nothing for it.
///
/// The pool must outlive it. The destructor waits for a sweep under way, and for the closes in it.
template <class Pool>
class reaper {
    static_assert(Pool::can_expire, "pool: a reaper needs a pool whose ExpiryPolicy can expire");
    static_assert(!std::is_same_v<typename Pool::lock_type, null_mutex>,
        "pool: a reaper is a thread of its own, and needs a pool with a lock");

public:
    /// Starts the thread. Throws `std::system_error` if it cannot.
    explicit reaper(Pool& pool)
        : thread_{[&pool](const std::stop_token& stop) {
              while (!stop.stop_requested()) {
                  pool.expire();
                  sleep_until(pool.clock(), pool.next_expiry(), stop);
              }
          }} {}

private:
    std::jthread thread_;
};

}  // namespace pool
