// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cassert>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <boost/intrusive/list.hpp>

#include <pool/core/acquire_errors.hpp>
#include <pool/core/idle_upkeep.hpp>
#include <pool/core/request.hpp>
#include <pool/policies/clock.hpp>

/// @file
/// The operations of a pool that bounds only the idle connections, for callers that do not block. Such a caller never
/// waits for another one. So its request is in no queue, but it may end before its dial does.

namespace pool::core {

template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
class idle_limit;

/// One caller's request and its result, in a pool without a wait queue. It has the states of a `request` that does not
/// wait. Do not move or destroy it until its state is final and its dial has ended.
template <class Entry, class Hashed, class TimePoint>
class lone_request {
    using hook = boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

public:
    lone_request(const lone_request&) = delete;
    lone_request& operator=(const lone_request&) = delete;

    bool is_submitted() const noexcept { return key_.has_value(); }  ///< whether it was submitted
    Entry& lent() const noexcept { return *lent_; }                  ///< the connection, if it is `lent`
    TimePoint deadline() const noexcept { return deadline_; }        ///< when it gives up

protected:
    /// Its dial never blocks its caller's thread.
    explicit lone_request([[maybe_unused]] bool dials_on_caller_thread, TimePoint deadline = TimePoint::max()) noexcept
        : deadline_{deadline} {
        assert(!dials_on_caller_thread && "pool: a thread that dials has no request in a pool without a wait queue");
    }

    ~lone_request() { assert(!place_.is_linked() && "pool: a request was destroyed before its end"); }

private:
    template <class, class, class, class, class, class>
    friend class idle_limit;

    /// As `request::notified`: called without the lock, and once until the caller looks.
    virtual bool notified() noexcept = 0;

    const TimePoint deadline_;
    std::optional<Hashed> key_;
    request_state state_ = request_state::may_dial;
    bool is_notified_ = true;
    unsigned char outdated_dials_ = 0;  ///< how many it has made
    Entry* lent_ = nullptr;
    hook place_;  ///< among those that are not over, or those that could not be notified
};

/// A pool state without a wait queue, and the requests of its asynchronous callers. It has the functions of
/// `open_limit` that such a caller uses. Thread-safe, if LockPolicy is a lock.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
class idle_limit : public idle_upkeep<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy> {
    using base = idle_upkeep<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>;

public:
    using base::base;
    using typename base::clock_time_point;
    using typename base::entry;
    using typename base::hashed;
    using typename base::time_point;

    using request = lone_request<entry, hashed, clock_time_point>;  ///< the request of a caller

    /// Takes a request, for which `lend_at_once` found nothing. Its caller has to look at it. What `key` refers to must
    /// live as long as the request.
    void submit(request& asking, const hashed& key) noexcept {
        change([&](requests&) {
            store().count_lookup_in_vain();
            asking.key_.emplace(key);
            if (is_closed()) asking.state_ = request_state::closed;
            else if (!lends()) asking.state_ = request_state::paused;
            else unfinished_.push_back(asking);
        });
    }

    /// The caller of a request looks at it. Returns its state. `may_dial` means that the caller must dial now.
    request_state look(request& asking) noexcept {
        const bool is_late = is_past(asking.deadline_);
        request_state seen{};
        change([&](requests& ended) {
            asking.is_notified_ = true;  // whatever happens in this step, it need not be notified
            if (asking.state_ == request_state::may_dial) {
                if (is_late) end(asking, request_state::timed_out, ended);
                else if (!lends()) end(asking, request_state::paused, ended);
            }
            asking.is_notified_ = false;
            seen = asking.state_;
            if (seen == request_state::may_dial) asking.state_ = request_state::dialing;
        });
        return seen;
    }

    /// Ends a request that its caller does not need any more, unless it is over. A dial that has begun goes on.
    void cancel(request& asking, request_state outcome = request_state::cancelled) noexcept {
        change([&](requests& ended) {
            if constexpr (async_health_checked<Conn>)
                if (!asking.is_submitted()) return;  // a deadline has passed just after the end of a check
            if (is_unfinished(asking)) end(asking, outcome, ended);
        });
    }

    /// Makes an entry for the connection of a dial that is about to begin. Strong guarantee.
    entry& make_entry_for(request& dialing) {
        entry& fresh = this->make_entry(*dialing.key_);
        if (this->takes_notes()) note_missed(fresh);
        return fresh;
    }

    /// Dials a connection that becomes idle, if fewer are there than `wanted`, and the bounds allow one more. Returns
    /// whether it did, and has kept it. Throws what the dial throws, `std::bad_alloc`, and `acquire_invalidated`.
    template <class Dial>
    bool open_ahead(const hashed& key, const ahead& wanted, Dial& dial, const dial_context& context) {
        entry* fresh = nullptr;
        {
            const time_point begin = this->read_clock();
            const std::lock_guard guard{lock_};
            const auto* const of = store().find(key);
            const std::size_t idle = of != nullptr ? of->idle.size() : 0;
            const std::size_t lent = of != nullptr && wanted.includes_lent ? of->lent : 0;
            if (!lends() || idle + lent >= wanted.count || store().stats().idle >= capacity_.max_idle() ||
                store().stats().idle_weight >= core::weight_bound(capacity_))
                return false;
            fresh = &store().make_entry(key, this->expiry_.earliest(begin));
            if (idle >= capacity_.max_idle_for(fresh->key())) {
                store().erase_unopened(*fresh);
                return false;
            }
        }
        const request_state end = this->dial_and_lend(*fresh, dial, context, false);
        if (end != request_state::lent) {
            this->erase_unopened(*fresh);
            if (end == request_state::invalidated) core::throw_refusal(end, *this, key);
            return false;
        }
        fresh->weigh();
        moment now = this->now();
        const auto own = this->deadline_of(*fresh, now);
        bool is_kept = false;
        step(closing::own_and_one, now, [&](moment&) {
            if (is_closed()) return store().refuse(*fresh, retirement::pool_closed, now.retired);
            this->keep_ahead(*fresh, own, now);
            is_kept = fresh->is_idle();
        });
        return is_kept;
    }

    /// The dial of a request has succeeded: `fresh` is for that request, or becomes idle if it is not needed. Returns
    /// what has become of it.
    dial_end dial_succeeded(request& dialing, entry& fresh) noexcept {
        fresh.weigh();
        moment now = this->now();
        const auto own = base::deadline_of(fresh, now);
        requests ended;
        bool is_outdated = false;
        step(closing::own, now, [&](moment&) {
            store().count_dial(fresh);
            is_outdated = !is_closed() && store().is_outdated(fresh);
            if (is_outdated) return;
            const bool is_needed = is_unfinished(dialing);
            if (is_closed()) {
                store().retire_uncounted(fresh, retirement::pool_closed, now.retired);
            } else {
                store().mark_lent(fresh, this->expiry_.of_new(base::entry_time(now)));
                if (!is_needed) return this->keep(fresh, own, true, now);
                dialing.lent_ = &fresh;
                store().lend_fresh(fresh);
            }
            if (is_needed) end(dialing, is_closed() ? request_state::closed : request_state::lent, ended);
        });
        deliver(ended);
        return is_outdated ? dial_end::outdated : dial_end::kept;
    }

    /// The dial of a request was outdated. Closes its connection, if it has one. The request dials again, if it is still
    /// needed.
    void dial_outdated(request& dialing, entry& fresh) noexcept {
        this->erase_outdated(fresh, [](moment&) {});
        bool is_told = true;
        change([&](requests& ended) {
            if (!is_unfinished(dialing)) return;
            if (++dialing.outdated_dials_ == most_outdated) return end(dialing, request_state::invalidated, ended);
            dialing.state_ = request_state::may_dial;
            is_told = std::exchange(dialing.is_notified_, true);
        });
        // It lives: this is the end of its dial. If there is no memory to tell it, it fails.
        if (is_told || dialing.notified()) return;
        change([&](requests& ended) {
            dialing.is_notified_ = false;
            if (is_unfinished(dialing)) return end(dialing, request_state::failed, ended);
            dialing.is_notified_ = true;
            ended.push_back(dialing);
        });
    }

    /// The dial of a request has failed.
    void dial_failed(request& dialing, const dial_error&) noexcept {
        change([&](requests& ended) {
            if (is_unfinished(dialing)) end(dialing, request_state::failed, ended);
        });
    }

    /// Does all that is due, as `idle_upkeep::upkeep`. If no clock wakes the callers, those leave that are late.
    std::size_t upkeep() {
        change([&](requests& ended) {
            if constexpr (!keeps_real_time<ClockPolicy>) {
                for (auto next = unfinished_.begin(); next != unfinished_.end();) {
                    request& each = *next++;
                    if (is_past(each.deadline_)) end(each, request_state::timed_out, ended);
                }
            }
        });
        return base::upkeep();
    }

    /// From now on the pool keeps no connection, and all requests end. Closes the idle connections.
    void close_all(std::vector<std::exception_ptr>* errors) noexcept {
        change([&](requests& ended) {
            service_ = service::closed;
            while (!unfinished_.empty()) end(unfinished_.front(), request_state::closed, ended);
        });
        base::close_all(errors);
    }

    /// In the child of a fork: also forgets the requests.
    void abandon() noexcept {
        std::construct_at(std::addressof(unfinished_));
        std::construct_at(std::addressof(unnotified_));
        base::abandon();
    }

    /// Whether a deadline has passed; max() never does.
    bool is_past(clock_time_point deadline) const {
        return deadline != clock_time_point::max() && this->clock().now() >= deadline;
    }

protected:
    ~idle_limit() override = default;

    using base::capacity_;
    using base::is_closed;
    using base::lends;
    using base::lock_;
    using base::service_;
    using base::step;
    using base::store;
    using typename base::moment;

private:
    using requests = boost::intrusive::list<request,
        boost::intrusive::member_hook<request, typename request::hook, &request::place_>,
        boost::intrusive::constant_time_size<false>>;

    void note_missed(const entry& fresh) const noexcept {
        const std::lock_guard guard{lock_};
        store().count_missed(fresh, false);
    }

    /// Calls `act(ended)` under the lock, and then notifies the requests that it puts into `ended`.
    template <class Act>
    void change(const Act& act) noexcept {
        requests ended;
        {
            const std::lock_guard guard{lock_};
            ended.splice(ended.end(), unnotified_);
            act(ended);
        }
        deliver(ended);
    }

    /// Notifies these requests. A request may be destroyed as soon as it is notified.
    void deliver(requests& ended) noexcept {
        while (!ended.empty()) {
            request& next = ended.front();
            ended.pop_front();
            if (next.notified()) continue;
            const std::lock_guard guard{lock_};
            unnotified_.push_back(next);
        }
    }

    static bool is_unfinished(const request& asking) noexcept {
        return asking.state_ == request_state::may_dial || asking.state_ == request_state::dialing;
    }

    /// The last change of a request.
    static void end(request& asking, request_state outcome, requests& ended) noexcept {
        asking.place_.unlink();
        asking.state_ = outcome;
        if (!std::exchange(asking.is_notified_, true)) ended.push_back(asking);
    }

    requests unfinished_;  ///< those that are not over
    requests unnotified_;  ///< those that there was no memory to notify: the next step tries again
};

}  // namespace pool::core
