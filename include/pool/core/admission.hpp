// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <utility>

#include <pool/core/allocation.hpp>

/// @file
/// What callers ask of a pool that bounds the open connections, as steps. Like the store, it has no lock, no clock and
/// no thread, and it does not dial. Its user locks, dials for the requests that have a permit, and closes the retired
/// connections.

namespace pool::core {

/// The wait queue, and the permits of the requests that dial. Each function is a part of a step, which ends with
/// `serve`. Not thread-safe.
template <class Store>
class admission : public allocation<Store> {
    using base = allocation<Store>;
    using hashed = typename Store::hashed;

public:
    using base::changed;
    using base::open_count;
    using base::serve;
    using typename base::entry;
    using typename base::group;
    using typename base::queue;
    using typename base::request;

    /// For the connections of `store`, which has to outlive it.
    explicit admission(Store& store) : base{store} {}

    /// Whether more connections are open than the bounds allow, the lent connection `e` included. Connections that are
    /// being closed do not count: they make room without a further close.
    bool is_over_bounds(const entry& e, const auto& bounds) const noexcept {
        return open_count() - store_.stats().closing > bounds.max_open() ||
               connections_of(e.of()) + dials_of(e.of()) > bounds.max_open_for(e.key());
    }

    /// How many may be idle at most, by the bounds on idle and on open connections: for `reconfigure`.
    std::size_t idle_allowed(const auto& bounds) const noexcept {
        return std::min(bounds.max_idle(), remaining(bounds.max_open(), store_.stats().lent + dialing_));
    }

    /// The same for one key.
    std::size_t idle_allowed_for(const group& of, const auto& bounds) const noexcept {
        return std::min(bounds.max_idle_for(of.key), remaining(bounds.max_open_for(of.key), of.lent + dials_of(of)));
    }

    // Steps of callers that do not wait.

    /// Whether no request waits, and none dials for this key: then the store alone lends and takes back.
    bool is_uncontended(const group& of) const noexcept { return waiting_ == 0 && of.queue == nullptr; }

    /// Whether a request waits for a connection of this key.
    bool is_awaited(const group& of) const noexcept { return of.queue != nullptr && !of.queue->waiting.empty(); }

    /// Lends an idle connection of a contended group, if one is left when those have been served that are due. It may
    /// be one that a nudged request was to take. If the batch has ended before that is known, this returns nullptr:
    /// look up again.
    template <class Moment>
    entry* lend(group& of, Moment& now) noexcept {
        store_.look_again(of, store_time(now), now.retired);
        changed(of, now);
        serve(now);
        const bool is_free = of.usable() != 0 && !now.is_over();
        entry* const found =
            is_free ? store_.lend_after({}, {}, of, store_time(now), now.budget, now.retired) : nullptr;
        if (found != nullptr && of.queue != nullptr) overtaken_ += !of.queue->waiting.empty();
        changed(of, now);
        serve(now);
        return found;
    }

    /// A lent connection of a contended group comes back: it is lent again, or idle, or retired if there is no room for
    /// it.
    template <class Moment, class TimePoint>
    void give_back(entry& e, TimePoint expires_at, Moment& now) noexcept {
        group& of = e.of();
        store_.give_back(e, expires_at, store_time(now), now.retired);
        came_back(of, now);
    }

    /// A connection of a group is idle again: it may be for a request, or may exceed the bounds.
    template <class Moment>
    void came_back(group& of, Moment& now) noexcept {
        if (of.queue != nullptr && !of.queue->is_unused()) of.queue->exceeds_idle = true;
        else if (of.idle.size() > now.bounds.max_idle_for(of.key)) store_.evict(of, retirement::evicted_for_key, now.retired);
        exceeds_idle_ = true;
        changed(of, now);
        serve(now);
    }

    /// Calls `erase()`, which erases a lent entry of a group.
    template <class Erase, class Moment>
    void erase_lent(group& of, const Erase& erase, Moment& now) noexcept {
        queue* const its = of.queue;  // if there is none, `erase` may end the group
        erase();
        if (its != nullptr) changed(*its, now);
    }

    // Steps of callers that may wait.

    /// Puts a request at the end of the queue. `known` is the group of the key's entries, if it has any. The request
    /// may be refused at once, as `queue_full`, or as `closed`. Returns what `admit` returns. Strong guarantee.
    template <class Moment>
    bool submit(request& asking, const hashed& key, group* known, Moment& now) {
        queue& of = queues_.find_or_make(store_, key, known);
        join(asking, of, now);
        store_.look_again(*of.group, store_time(now), now.retired);
        changed(of, now);
        return admit(asking, now);
    }

    /// Refuses a request that was just submitted, if it has to wait, and too many do. Returns whether that is known. If
    /// not, because the batch has ended, it has to be called in another step.
    template <class Moment>
    bool admit(request& asking, Moment& now) noexcept {
        serve(now);
        if (is_waiting(asking.state_) && is_closed_) {
            leave(asking, request_state::closed, now);
        } else if (is_waiting(asking.state_) && is_paused_ && !lets_wait_) {
            leave(asking, request_state::paused, now);
        } else if (asking.state_ == request_state::able || asking.state_ == request_state::held) {
            if (now.is_over()) return false;
            const std::size_t helped = order_.promised() + order_.nudged() + closing_;
            if (waiting_ - helped > now.bounds.max_waiting()) leave(asking, request_state::queue_full, now);
        }
        base::note_arrival(asking);
        if (is_waiting(asking.state_)) base::note_queued(asking);
        serve(now);
        return true;
    }

    /// Gives a request a permit, if one is free that nobody waits for, and fewer connections of its key are there than
    /// `wanted`. Such a request never waits, and its connection becomes idle. Returns whether it has a permit. Strong
    /// guarantee.
    template <class Moment>
    bool take_permit(request& asking, const hashed& key, group* known, const ahead& wanted, Moment& now) {
        queue& of = queues_.find_or_make(store_, key, known);
        const group& its = *of.group;
        const std::size_t present = its.idle.size() + of.dialing + (wanted.includes_lent ? its.lent : 0);
        const bool is_free =
            base::gives() && waiting_ == 0 && present < wanted.count && store_.stats().idle < now.bounds.max_idle() &&
            store_.stats().idle_weight < now.max_idle_weight() && its.idle.size() < now.bounds.max_idle_for(its.key) &&
            base::room(of, now) != 0 && open_count() < now.bounds.max_open();
        if (is_free) {
            join(asking, of, now);
            permit(asking, now);
            asking.state_ = request_state::cancelled;  // so its connection is nobody's
        }
        changed(of, now);
        return is_free;
    }

    /// The caller of a request looks: it leaves if it has given up, takes a connection that is there, or begins to
    /// dial. Returns the new state. `may_dial` means that the caller must dial now. If the batch has ended, and it
    /// still waits, the caller has to call this again, because this step has not notified it.
    template <class Moment>
    request_state look(request& asking, Moment& now) noexcept {
        asking.is_notified_ = true;  // whatever happens in this step, it need not be notified
        if (may_give_up(asking)) {
            if (is_closed_) leave(asking, request_state::closed, now);
            else if (!remove_if_given_up(asking, now) && is_paused_) stand_still(asking, now);
        }
        if (is_paused_) {
            // It waits, or is over.
        } else if (is_waiting(asking.state_)) {
            group& its = *asking.queue().group;
            store_.look_again(its, store_time(now), now.retired);
            changed(its, now);
            serve(now);
            if (is_waiting(asking.state_) && its.usable() != 0 && !now.is_over()) {
                const bool overtakes = asking.queue().oldest() != &asking;
                lend_to(asking, now);
                overtaken_ += overtakes && asking.state_ == request_state::lent;
            }
        } else if (asking.state_ == request_state::may_dial) {
            serve(now);
            const group& its = *asking.queue().group;
            const bool is_spare = its.usable() > its.nudged && !now.is_over() && !asking.prefers_dial_;
            if (is_spare && asking.state_ == request_state::may_dial) lend_to(asking, now);
        }
        serve(now);
        asking.is_notified_ = is_waiting(asking.state_) && now.is_over();
        if (asking.state_ != request_state::may_dial) return asking.state_;
        asking.state_ = request_state::dialing;
        return request_state::may_dial;
    }

    /// The caller of a request begins to close a retired connection, if the request is promised a permit, and has not
    /// given up. Then it cannot look before `end_close`. Returns whether it does.
    template <class Moment>
    bool begin_close(request& asking, Moment& now) noexcept {
        if (asking.state_ != request_state::promised || remove_if_given_up(asking, now)) return false;
        start_closing(asking, now);
        return true;
    }

    /// Puts a request in the queue of a group whose caller closes a connection that it was lent: it gets the permit of
    /// that. Strong guarantee.
    template <class Moment>
    void submit_closing(request& asking, group& its, Moment& now) {
        queue& of = queues_.find_or_make(store_, its.hashed(), &its);
        join(asking, of, now);
        start_closing(asking, now);
        asking.came_ = {};  // it asks again
        base::note_arrival(asking);
    }

    /// The caller has closed the connection, and the store has erased it. Its request gets the permit, if it still
    /// needs it. If bounds were lowered meanwhile, or a caller has put a connection, there may be no permit: then the
    /// request waits again, at its place.
    template <class Moment>
    void end_close(request& asking, Moment& now) noexcept {
        assert(asking.state_ == request_state::closing && "pool: the end of a close that has not begun");
        if (is_closed_) return leave(asking, request_state::closed, now);
        if (remove_if_given_up(asking, now)) return;
        queue& of = asking.queue();
        if (base::room(of, now) != 0 && open_count() < now.bounds.max_open()) {
            permit(asking, now);
        } else {
            base::no_longer_closing(asking);
            order_.put_back(asking);
            base::note_queued(asking);
            announce(asking);
        }
        changed(of, now);
    }

    /// Takes a request out, because its caller does not need it any more. A dial that has begun goes on; if it blocks
    /// its caller, then it is still the caller's.
    template <class Moment>
    void cancel(request& asking, request_state outcome, Moment& now) noexcept {
        if (asking.state_ == request_state::closing) {
            if (!asking.given_up_as_) asking.given_up_as_ = outcome;  // for `end_close`
            return;
        }
        const bool is_dialing = asking.state_ == request_state::dialing && !asking.dials_on_caller_thread_;
        if (!asking.is_submitted() || !(may_give_up(asking) || is_dialing)) return;
        leave(asking, outcome, now);
        serve(now);
    }

    /// A dial has succeeded. The store has its connection, `fresh`, as lent. It is for the request of the dial, if that
    /// still needs it. Otherwise this returns false, and the caller has to give `fresh` back.
    template <class Moment>
    bool dial_succeeded(request& asking, entry& fresh, Moment& now) noexcept {
        const bool needed = asking.state_ == request_state::dialing;
        if (needed) {
            asking.lent_ = &fresh;
            store_.count_lookup_in_vain();
            store_.lend_fresh(fresh, asking.waited_, asking.came_);
            end_request(asking, request_state::lent);
        }
        end_dial(asking, now);
        return needed;
    }

    /// A dial has failed. Its own request fails, too, unless it is settled already.
    template <class Moment>
    void dial_failed(request& asking, request_state outcome, dial_error error, Moment& now) noexcept {
        if (error) asking.queue().last_error = std::move(error);
        if (asking.state_ == request_state::dialing) end_request(asking, outcome);
        end_dial(asking, now);
    }

    /// A dial was outdated, and its connection is closed, if it had one: its request dials again, if it is still needed.
    template <class Moment>
    void dial_outdated(request& asking, Moment& now) noexcept {
        if (asking.state_ == request_state::dialing && ++asking.outdated_dials_ == most_outdated) {
            base::see(asking);
            end_request(asking, is_closed_ ? request_state::closed : request_state::invalidated);
        }
        if (asking.state_ != request_state::dialing) return end_dial(asking, now);
        asking.state_ = request_state::may_dial;
        announce(asking);
        serve(now);
    }

    /// Removes all requests that have given up. O(n): only for clocks that wake nobody, as the clock of a test.
    template <class Moment>
    void give_up(Moment& now) noexcept {
        unsettled_.splice(unsettled_.end(), settled_);
        for (auto* const those : {&unsettled_, &unfit_}) {
            for (auto next = those->begin(); next != those->end();) {
                queue& of = *next++;  // a request that leaves moves its queue to the end
                remove_given_up(of.waiting, now);
                remove_given_up(of.dialers, now);
            }
        }
    }

private:
    /// The pool is paused: a request that has not begun to dial waits, or is over.
    template <class Moment>
    void stand_still(request& asking, Moment& now) noexcept {
        if (!lets_wait_) return leave(asking, request_state::paused, now);
        queue& of = asking.queue();
        if (asking.state_ == request_state::may_dial) {
            if (asking.by_age_.is_linked()) of.dialers.erase(of.dialers.iterator_to(asking));
            --of.dialing;
            --dialing_;
            order_.put_back(asking);
            asking.since_ = now.now();
            ++waiting_;
            base::note_queued(asking);
        }
        changed(of, now);  // so it is not nudged any more
    }

    /// A request joins the end of a queue.
    template <class Moment>
    void join(request& asking, queue& of, Moment& now) noexcept {
        asking.queue_ = &of;
        asking.ticket_ = next_ticket_++;
        asking.since_ = now.now();
        asking.is_notified_ = true;  // its caller looks at it anyway
        of.push_back(asking);
        ++waiting_;
    }

    /// The caller of a waiting request begins to close a connection for it.
    template <class Moment>
    void start_closing(request& asking, Moment& now) noexcept {
        base::leave_zone(asking);
        asking.state_ = request_state::closing;
        ++asking.queue().closing;
        ++closing_;
        base::fit(asking.queue(), now);
    }

    using base::announce;
    using base::closing_;
    using base::connections_of;
    using base::dialing_;
    using base::dials_of;
    using base::end_request;
    using base::exceeds_idle_;
    using base::is_closed_;
    using base::is_paused_;
    using base::leave;
    using base::lend_to;
    using base::lets_wait_;
    using base::next_ticket_;
    using base::order_;
    using base::overtaken_;
    using base::permit;
    using base::queues_;
    using base::remaining;
    using base::remove_if_given_up;
    using base::settled_;
    using base::store_;
    using base::store_time;
    using base::unfit_;
    using base::unsettled_;
    using base::waiting_;

    /// Whether a request may leave the queue by itself: it waits, or has not begun to dial.
    static bool may_give_up(const request& asking) noexcept {
        return is_waiting(asking.state_) || asking.state_ == request_state::may_dial;
    }

    /// Removes the requests of a list that have given up.
    template <class Requests, class Moment>
    void remove_given_up(Requests& those, Moment& now) noexcept {
        for (auto next = those.begin(); next != those.end();) remove_if_given_up(*next++, now);
    }

    template <class Moment>
    void end_dial(request& asking, Moment& now) noexcept {
        queue& of = asking.queue();
        --of.dialing;
        --dialing_;
        changed(of, now);
        serve(now);
    }
};

}  // namespace pool::core
