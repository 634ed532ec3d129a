// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <stop_token>
#include <thread>
#include <type_traits>

#include <pool/core/parking.hpp>
#include <pool/policies/lock.hpp>

/// @file
/// The thread that closes what is due, for pools whose owner has no event loop to do it.

namespace pool {

/// Calls `expire()` whenever something may be due, and sleeps in between until `next_expiry()`. While nothing is idle,
/// that is the time at which a connection would expire that is given back just now. So nobody has to wake the reaper,
/// and giving back costs nothing for it.
///
/// The pool must outlive it. The destructor waits for a sweep under way, and for the closes in it. A close, or a Conn's
/// destructor, may destroy the reaper and its pool on the reaper's own thread: the destructor then does not wait, and
/// the thread ends by itself after that sweep.
template <class Pool>
class reaper {
    static_assert(Pool::can_expire, "pool: a reaper needs a pool whose ExpiryPolicy can expire");
    static_assert(!std::is_same_v<typename Pool::lock_type, null_mutex>,
        "pool: a reaper is a thread of its own, and needs a pool with a lock");

public:
    /// Starts the thread. Throws `std::system_error` if it cannot.
    explicit reaper(Pool& pool)
        : thread_{[&pool](const std::stop_token& stop) {
              using core::sleep_until;  // or the clock's own
              while (!stop.stop_requested()) {
                  pool.expire();
                  if (stop.stop_requested()) return;  // the pool may have gone in a close
                  sleep_until(pool.clock(), pool.next_expiry(), stop);
              }
          }} {}

    reaper(const reaper&) = delete;
    reaper& operator=(const reaper&) = delete;

    /// Stops the thread.
    ~reaper() {
        thread_.request_stop();
        if (thread_.get_id() == std::this_thread::get_id()) thread_.detach();
    }

private:
    std::jthread thread_;
};

}  // namespace pool
