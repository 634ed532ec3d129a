// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <memory>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>

#include <pool/core/parking.hpp>
#include <pool/policies/clock.hpp>

/// @file
/// A timer that looks after a pool, for programs that use Boost.Asio.

namespace pool::asio {

/// Calls `upkeep()` whenever something may be due. It uses a timer on your executor, not a thread (see `pool::reaper`).
/// While it exists, its `io_context` does not run out of work.
///
/// The pool must outlive it. Like a timer, it is not thread-safe: destroy it on its executor, or while no thread runs
/// that executor. A close, or a Conn's destructor, may destroy the reaper and its pool in the middle of a sweep.
template <class Pool>
class reaper {
    static_assert(Pool::can_expire || Pool::bounds_open,
        "pool: a reaper needs a pool whose ExpiryPolicy can expire, or whose CapacityPolicy bounds what is open");
    static_assert(keeps_real_time<typename Pool::clock_type>, "pool: a timer needs a pool whose clock keeps real time");

public:
    /// Starts the sweeps on `executor`. The first one is not delayed.
    template <class Executor>
    reaper(Executor executor, Pool& pool) : sweeper_{std::make_shared<sweeper>(std::move(executor), pool)} {
        sweeper_->wait(boost::asio::steady_timer::duration::zero());
    }

    reaper(const reaper&) = delete;
    reaper& operator=(const reaper&) = delete;

    /// Makes it look after the pool now, and plan anew. Call it after the expiry policy of the pool was replaced, where the
    /// reaper may be destroyed.
    void wake() { sweeper_->timer.cancel(); }  // its handler comes at once

    /// Stops the timer. No sweep begins after this.
    ~reaper() {
        sweeper_->stopped = true;
        sweeper_->timer.cancel();
    }

private:
    struct sweeper : std::enable_shared_from_this<sweeper> {
        sweeper(auto executor, Pool& of) : timer{std::move(executor)}, pool{of} {}

        void wait(boost::asio::steady_timer::duration time) {
            timer.expires_after(time);
            timer.async_wait([self = this->shared_from_this()](boost::system::error_code) {
                if (self->stopped) return;
                self->pool.upkeep();
                if (self->stopped) return;  // a close in the sweep may have destroyed the pool
                const auto next = core::bounded_wait(self->pool.clock(), self->pool.next_upkeep());
                self->wait(std::chrono::ceil<boost::asio::steady_timer::duration>(next));
            });
        }

        boost::asio::steady_timer timer;
        Pool& pool;
        bool stopped = false;
    };

    std::shared_ptr<sweeper> sweeper_;
};

}  // namespace pool::asio
