// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <stop_token>
#include <type_traits>
#include <utility>

#include <pool/core/pool_state.hpp>
#include <pool/core/request.hpp>

/// @file
/// The operations of a pool that bounds the open connections: its callers submit requests, and may have to wait.

namespace pool::core {

/// Whether `dial_failed` counts the failed dial.
enum class count_dial : bool { no, yes };

/// A pool state with a wait queue. Thread-safe, if LockPolicy is a lock.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
class open_limit : public pool_state<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy> {
    using base = pool_state<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>;

public:
    using base::base;
    using base::can_wait;
    using typename base::entries;
    using typename base::entry;
    using typename base::hashed;
    using typename base::time_point;

    using request = typename base::admission_type::request;     ///< the request of a caller
    using clock_time_point = typename ClockPolicy::time_point;  ///< when it gives up

    /// Completes a request at once, or puts it in the queue. Returns its state. Strong guarantee. A connection that
    /// this closes may own the object that `key` refers to. So it calls `keep_key()` before it closes anything, under
    /// the lock. `keep_key()` may throw.
    template <class KeepKey>
    request_state submit(request& asking, const hashed& key, const KeepKey& keep_key) {
        request_state outcome{};
        step([&, now = read_clock()](entries& retired) {
            if (closed_) {
                admission_.complete(asking, request_state::closed);
            } else if (entry* found = lend_to_newcomer(key, now, retired)) {
                admission_.complete(asking, *found);
            } else {
                if (!retired.empty() || store().stats().idle != 0) keep_key();
                enqueue(asking, key, now, retired);
            }
            outcome = asking.state();
        });
        return outcome;
    }

    /// The state of a notified request. `dialing` means that its caller must start to dial now.
    request_state poll(request& asking) noexcept {
        request_state seen{};
        step([&](entries&) { seen = admission_.poll(asking); });
        return seen;
    }

    /// Removes a request that its caller does not need any more, unless it is settled or dials on its caller's thread.
    void cancel(request& asking) noexcept {
        step([&](entries&) { admission_.cancel(asking); });
    }

    /// Dials for a request in the state `dialing`. Then the caller must call `dial_succeeded` or `dial_failed`.
    template <class Dial>
    entry& dial(request& dialing, Dial& dial, const dial_context& context) {
        entry& fresh = this->make_entry(dialing.hashed());
        this->dial_into(fresh, dial, context);
        return fresh;
    }

    /// The dial of a request has succeeded: `fresh` goes to the oldest request that waits for it, or becomes idle.
    void dial_succeeded(request& dialing, entry& fresh) noexcept {
        const time_point now = read_clock();
        const time_point at = this->expires_at(now);
        step([&](entries& retired) {
            store().count_dial();
            if (closed_) {
                store().retire_uncounted(fresh, retired);
                admission_.dial_failed(dialing, request_state::closed, nullptr);
            } else {
                store().mark_lent(fresh);
                if (!admission_.dial_succeeded(dialing, fresh)) this->keep(fresh, at, now, retired);
            }
        });
    }

    /// The dial of a request has failed. `dial` counts its own failures. For a dial of any other kind, pass
    /// `count_dial::yes`.
    void dial_failed(request& dialing, const dial_error& error, count_dial count = count_dial::no) noexcept {
        step([&](entries&) {
            if (count == count_dial::yes) store().count_failed_dial();
            admission_.dial_failed(dialing, request_state::failed, error);
        });
    }

    /// Blocks until the request does not wait any more, and returns its state. Returns `waiting` at the deadline or on
    /// a stop request: the caller must then cancel the request.
    template <class Blocking>
    request_state wait(Blocking& asking, const std::stop_token& stop, clock_time_point deadline)
        requires can_wait
    {
        const std::stop_callback wake_up{stop, [&] {
            const std::lock_guard guard{lock_};
            asking.wake();
        }};
        for (;;) {
            const bool late = is_past(deadline);
            std::unique_lock guard{lock_};
            if (asking.state() != request_state::waiting) return asking.state();
            if (late || stop.stop_requested()) return request_state::waiting;
            asking.wait(std::move(guard), this->clock(), deadline);
        }
    }

    /// Waits until no connection is lent, being dialled or being closed, or until `deadline`. Returns how many are
    /// left.
    std::size_t drain(clock_time_point deadline)
        requires can_wait
    {
        typename base::drainer here;
        for (;;) {
            const bool late = is_past(deadline);
            std::unique_lock guard{lock_};
            if (const std::size_t left = this->outstanding(); left == 0 || late) {
                here.unlink();
                return left;
            }
            if (!here.is_linked()) this->drainers_.push_back(here);
            here.wait(std::move(guard), this->clock(), deadline);
        }
    }

    /// Whether a deadline has passed; max() never does.
    bool is_past(clock_time_point deadline) const {
        return deadline != clock_time_point::max() && this->clock().now() >= deadline;
    }

private:
    ~open_limit() override = default;

    using base::admission_;
    using base::closed_;
    using base::lock_;
    using base::read_clock;
    using base::step;
    using base::store;

    /// Lends an idle connection of `key`, unless a request waits for one. Returns nullptr if there is none to lend.
    entry* lend_to_newcomer(const hashed& key, time_point now, entries& retired) {
        return admission_.is_wanted(key) ? nullptr : store().lend(key, now, retired, count_miss::no);
    }

    /// Puts a request at the end of the queue, and serves the queue. Refuses the request if too many are waiting then.
    void enqueue(request& asking, const hashed& key, time_point now, entries& retired) {
        admission_.enqueue(asking, key);
        this->serve(now, retired);
        if (asking.state() != request_state::waiting) return;
        // A request that only waits for a running close is not counted: it will be served soon.
        const std::size_t coming = std::min(store().stats().closing, admission_.waiting());
        if (admission_.waiting() - coming > this->capacity_.max_waiting())
            admission_.cancel(asking, request_state::queue_full);
    }
};

/// The state of a pool with these policies.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
using state_for = std::conditional_t<open_capacity_policy<CapacityPolicy, Key>,
    open_limit<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>,
    pool_state<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>>;

}  // namespace pool::core
