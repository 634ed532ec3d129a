// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <type_traits>

#include <pool/core/parking.hpp>
#include <pool/policies/lock.hpp>

/// @file
/// A thread that looks after a pool. A program with an event loop can use a timer instead.

namespace pool {

namespace core {

/// The sleeps of a reaper, which can be cut short. Thread-safe.
class reaper_sleep {
public:
    /// The token that ends the next sleep, or the one that goes on.
    std::stop_token next() {
        const std::lock_guard guard{mutex_};
        if (end_.stop_requested()) end_ = std::stop_source{};
        return end_.get_token();
    }

    /// Ends it.
    void end() noexcept {
        const std::lock_guard guard{mutex_};
        end_.request_stop();
    }

private:
    std::mutex mutex_;
    std::stop_source end_;
};

/// Looks after a pool until a stop is requested: the work of a reaper's thread.
template <class Pool>
void look_after(Pool& pool, const std::stop_token& stop, const std::shared_ptr<reaper_sleep>& sleep) {
    const std::stop_callback stopping{stop, [&] { sleep->end(); }};
    while (!stop.stop_requested()) {
        const std::stop_token woken = sleep->next();  // before the plan is made: so no call comes in between
        pool.upkeep();
        if (stop.stop_requested()) return;                     // a close in the sweep may have destroyed the pool
        sleep_until(pool.clock(), pool.next_upkeep(), woken);  // a clock may have its own
    }
}

}  // namespace core

/// Calls `upkeep()`, and sleeps until `next_upkeep()` in between. So it closes expired connections, and notices blocked
/// ones that have been unblocked. While no connection is idle, the next upkeep is at the expiry time of a connection that
/// would be given back now. So nothing has to wake the reaper, and giving back does no work for it.
///
/// The pool must outlive it. The destructor waits until a running sweep and its closes have ended. A close, or a Conn's
/// destructor, may destroy the reaper and its pool on the reaper's own thread: the destructor then does not wait, and
/// the thread ends by itself after that sweep.
template <class Pool>
class reaper {
    static_assert(Pool::can_expire || Pool::bounds_open,
        "pool: a reaper needs a pool whose ExpiryPolicy can expire, or whose CapacityPolicy bounds what is open");
    static_assert(!std::is_same_v<typename Pool::lock_type, null_mutex>,
        "pool: a reaper is a thread of its own, and needs a pool with a lock");

public:
    /// Starts the thread. Throws `std::system_error` if it cannot.
    explicit reaper(Pool& pool) : pool_{pool}, thread_{start()} {}

    reaper(const reaper&) = delete;
    reaper& operator=(const reaper&) = delete;

    /// Makes it look after the pool now, and plan anew. Call it after the expiry policy of the pool was replaced.
    /// Thread-safe.
    void wake() noexcept { sleep_->end(); }

    /// In the child of a fork, after `abandon` of the pool: starts a thread there, because a fork copies no other thread
    /// than that which forks. Throws `std::system_error` if it cannot, and `std::bad_alloc`.
    void abandon() {
        std::construct_at(std::addressof(thread_));  // what was there is not destroyed: nothing can join that thread
        std::construct_at(std::addressof(sleep_), std::make_shared<core::reaper_sleep>());
        thread_ = start();
    }

    /// Stops the thread.
    ~reaper() {
        thread_.request_stop();
        if (thread_.get_id() == std::this_thread::get_id()) thread_.detach();
    }

private:
    std::jthread start() {
        return std::jthread{
            [&pool = pool_, sleep = sleep_](const std::stop_token& stop) { core::look_after(pool, stop, sleep); }};
    }

    Pool& pool_;
    std::shared_ptr<core::reaper_sleep> sleep_ = std::make_shared<core::reaper_sleep>();
    std::jthread thread_;
};

}  // namespace pool
