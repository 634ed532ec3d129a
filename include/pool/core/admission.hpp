// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include <boost/intrusive/list.hpp>

#include <pool/core/entry_store.hpp>
#include <pool/core/key_queues.hpp>
#include <pool/core/queue_order.hpp>
#include <pool/core/request.hpp>
#include <pool/core/saturating.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/stats.hpp>

/// @file
/// Decides which request gets which connection or permit, in a pool that bounds the open connections. Like the store,
/// it has no lock, no clock and no thread, and it does not dial. Its caller locks, dials for the requests that have a
/// permit, and closes the retired connections.

namespace pool::core {

/// The wait queue, and the permits of the requests that dial.
///
/// An open connection is idle, lent, being dialled or being closed, and holds a permit. The permit is free when the
/// connection has been closed, not before, so the peers never see more than the bound either.
///
/// Who gets what:
/// - A connection that comes back is for the oldest request of its key. If that has waited for the patience of the
///   policy, it is lent the connection at once. Otherwise the connection stays idle, and the request is nudged: it is
///   notified to look for itself. Until it does, another caller may take the connection.
/// - A permit is for the oldest request that its key's own bounds let have one, and that is not nudged. It gets a free
///   permit at once. A permit that is not free yet, because a connection is being closed, is promised.
/// - For an able request, which has no promise, room is made: the oldest idle connection of another key is retired, but
///   none that a nudged request is to take.
/// - A request that has given up gets nothing.
///
/// Every operation is a step: it changes something, and then calls `serve`, which gives all that can be given. So after
/// each step nobody waits who could be served. `moment` has the bounds, the time and the batch of the step. A step that
/// has used up its batch leaves work, and the caller has to call `serve` in another one. Not thread-safe.
template <class Store>
class admission {
    using entry = typename Store::entry;
    using group = typename Store::group;
    using hashed = typename Store::hashed;
    using queue = key_queue<entry>;
    using duration = typename entry::deadline_type::duration;

public:
    using request = core::request<entry>;              ///< the request of a caller
    using notifications = core::notifications<entry>;  ///< what to deliver after a step

    /// For the connections of `store`, which has to outlive it.
    explicit admission(Store& store) noexcept : store_{store} {}

    admission(const admission&) = delete;
    admission& operator=(const admission&) = delete;

    std::size_t waiting() const noexcept { return waiting_; }              ///< requests that wait
    std::size_t dialing() const noexcept { return dialing_; }              ///< permits of requests that dial
    std::size_t promised() const noexcept { return order_.promised(); }    ///< those that wait for a close
    bool empty() const noexcept { return queues_.empty(); }                ///< nobody waits or dials
    std::uint64_t overtaken() const noexcept { return overtaken_; }        ///< requests past which one was lent
    duration total_wait() const noexcept { return total_wait_; }           ///< of all requests that have waited
    duration longest_wait() const noexcept { return longest_wait_; }       ///< of all requests that have waited

    /// The queue of a key; nullptr if nobody waits or dials for it. O(1).
    const queue* find(const hashed& key) const {
        const group* const of = store_.find(key);
        return of != nullptr ? of->queue : queues_.find(key);
    }

    /// The group of a key for which requests wait or dial; nullptr if there is none. O(1).
    group* group_of(const hashed& key) const noexcept {
        const queue* const of = queues_.find(key);
        return of != nullptr ? of->of : nullptr;
    }

    /// How many connections are open, those being dialled and closed included.
    std::size_t open_count() const noexcept {
        return store_.stats().idle + store_.stats().lent + store_.stats().closing + dialing_;
    }

    /// Whether more connections are open than the bounds allow, the lent connection `e` included. Connections that are
    /// being closed do not count: they make room without a further close.
    bool is_over_bounds(const entry& e, const auto& bounds) const noexcept {
        return open_count() - store_.stats().closing > bounds.max_open() ||
               held(e.of()) + dialing(e.of()) > bounds.max_open_for(e.key());
    }

    /// How many may be idle, so that no bound on open connections is exceeded either.
    std::size_t max_idle(const auto& bounds) const noexcept {
        return std::min(bounds.max_idle(), left(bounds.max_open(), store_.stats().lent + dialing_));
    }

    /// The same for one key.
    std::size_t max_idle_for(const group& of, const auto& bounds) const noexcept {
        return std::min(
            bounds.max_idle_for(of.key), left(bounds.max_open_for(of.key), of.lent + dialing(of)));
    }

    // Steps of callers that do not wait.

    /// Whether no request waits, and none dials for this key: then the store alone lends and takes back.
    bool is_idle(const group& of) const noexcept { return waiting_ == 0 && of.queue == nullptr; }

    /// Lends an idle connection of a group that is not idle, unless it is for a request that waits.
    template <class Moment>
    entry* lend(group& of, Moment& now) noexcept {
        store_.look_again(of, store_time(now), now.retired);
        changed(of, now);
        serve(now);
        entry* const found = of.usable() != 0 ? store_.lend(of, store_time(now), now.most, now.retired) : nullptr;
        if (found != nullptr && of.queue != nullptr) overtaken_ += !of.queue->waiting.empty();
        changed(of, now);
        serve(now);
        return found;
    }

    /// A lent connection of a group that is not idle comes back: it is lent again, or idle, or retired if there is no
    /// room for it.
    template <class Moment, class TimePoint>
    void give_back(entry& e, TimePoint expires_at, Moment& now) noexcept {
        group& of = e.of();
        store_.give_back(e, expires_at, store_time(now), now.retired);
        changed(of, now);
        serve(now);
        while (group* const excess = over_idle_bounds(of, now)) {
            store_.evict(*excess, now.retired);
            changed(*excess, now);
            serve(now);
        }
    }

    // Steps of callers that may wait.

    /// Puts a request at the end of the queue. `known` is the group of the key's entries, if it has any. The request may
    /// be refused at once, as `queue_full`, or as `closed`. Strong guarantee.
    template <class Moment>
    void submit(request& asking, const hashed& key, group* known, Moment& now) {
        queue& of = queues_.find_or_make(store_, key, known);
        asking.queue_ = &of;
        asking.ticket_ = next_ticket_++;
        asking.since_ = now.now();
        asking.is_notified_ = true;  // its caller looks at it anyway
        of.push_back(asking);
        ++waiting_;
        store_.look_again(*of.of, store_time(now), now.retired);
        changed(of, now);
        serve(now);
        const bool is_helped = asking.state_ == request_state::promised || asking.state_ == request_state::nudged;
        const bool is_one_too_many = waiting_ - order_.promised() - order_.nudged() > now.bounds.max_waiting();
        if (is_closed_) leave(asking, request_state::closed, now);
        else if (is_waiting(asking.state_) && !is_helped && is_one_too_many)
            leave(asking, request_state::queue_full, now);
        serve(now);
    }

    /// The caller of a request looks: it leaves if it has given up, takes a connection that is there, or begins to
    /// dial. Returns the new state. `may_dial` means that the caller must dial now.
    template <class Moment>
    request_state look(request& asking, Moment& now) noexcept {
        asking.is_notified_ = true;  // whatever happens in this step, it need not be notified
        if (may_give_up(asking)) {
            if (is_closed_) leave(asking, request_state::closed, now);
            else left_late(asking, now);
        }
        if (is_waiting(asking.state_)) {
            group& its = *asking.queue().of;
            store_.look_again(its, store_time(now), now.retired);
            changed(its, now);
            serve(now);
            if (is_waiting(asking.state_) && its.usable() != 0) {
                const bool overtakes = asking.queue().oldest() != &asking;
                lend_to(asking, now);
                overtaken_ += overtakes && asking.state_ == request_state::lent;
            }
        }
        serve(now);
        asking.is_notified_ = false;
        if (asking.state_ != request_state::may_dial) return asking.state_;
        asking.state_ = request_state::dialing;
        return request_state::may_dial;
    }

    /// Takes a request out, because its caller does not need it any more. A dial that has begun goes on; if it blocks
    /// its caller, then it is still the caller's.
    template <class Moment>
    void cancel(request& asking, request_state outcome, Moment& now) noexcept {
        const bool can_leave = may_give_up(asking) || (asking.state_ == request_state::dialing && asking.takes_while_dialing());
        if (!can_leave) return;
        leave(asking, outcome, now);
        serve(now);
    }

    /// A dial has succeeded. The store has its connection, `fresh`, as lent. It is for the request of the dial, if that
    /// still needs it. Otherwise this returns false, and the caller has to give `fresh` back.
    template <class Moment>
    bool dial_succeeded(request& dialing, entry& fresh, Moment& now) noexcept {
        const bool needed = dialing.state_ == request_state::dialing;
        if (needed) {
            dialing.lent_ = &fresh;
            store_.count_lookup_in_vain();
            end_request(dialing, request_state::lent);
        }
        end_dial(dialing, now);
        return needed;
    }

    /// A dial has failed. Its own request fails, too, unless it is settled already.
    template <class Moment>
    void dial_failed(request& dialing, request_state outcome, dial_error error, Moment& now) noexcept {
        if (error) dialing.queue().last_error = std::move(error);
        if (dialing.state_ == request_state::dialing) end_request(dialing, outcome);
        end_dial(dialing, now);
    }

    // Other steps.

    /// Takes note that something of a key has changed. `serve` then settles its queue. O(log n).
    template <class Moment>
    void changed(group& of, Moment& now) noexcept {
        if (of.queue != nullptr) changed(*of.queue, now);
    }

    /// Calls `erase()`, which erases a lent entry of a group.
    template <class Erase, class Moment>
    void erase_lent(group& of, const Erase& erase, Moment& now) noexcept {
        queue* const its = of.queue;  // without one, the group may end
        erase();
        if (its != nullptr) changed(*its, now);
    }

    /// The bounds have changed: nothing is given before the zones of all queues are right again.
    void bounds_changed() noexcept {
        unfit_.splice(unfit_.end(), settled_);
        unfit_.splice(unfit_.end(), unsettled_);
    }

    /// The pool is closed: refuses all requests, and gives nothing any more.
    void close() noexcept {
        is_closed_ = true;
        bounds_changed();
    }

    /// Whether requests wait for keys with blocked connections.
    bool awaits_blocked() const noexcept { return !blocked_.empty() || !unasked_.empty(); }

    /// Begins to ask these connections again: `look_again` goes on.
    void begin_look_again() noexcept { unasked_.splice(unasked_.end(), blocked_); }

    /// Asks blocked connections again that requests wait for. Returns whether these were all.
    template <class Moment>
    bool look_again(Moment& now) noexcept {
        for (; !unasked_.empty() && !now.is_over(); now.spend()) {
            queue& of = unasked_.front();
            of.in_blocked.unlink();
            store_.look_again(*of.of, store_time(now), now.retired);
            changed(of, now);  // which has it asked again, if it is still blocked
        }
        return unasked_.empty();
    }

    /// Gives all that can be given: the end of every step. O(1) if nothing has changed, and O(log n) for each request
    /// whose state changes. At the end of the batch it stops early.
    template <class Moment>
    void serve(Moment& now) noexcept {
        for (; !unfit_.empty() && !now.is_over(); now.spend()) {
            queue& of = unfit_.front();
            if (is_closed_ && !refuse(of, now)) return;
            changed(of, now);
        }
        do {
            for (; !unsettled_.empty(); now.spend()) {
                if (now.is_over()) return;
                queue& of = unsettled_.front();
                if (of.is_unused()) {
                    unsettled_.pop_front();
                    queues_.erase(of);
                    continue;
                }
                move(of, settled_);
                if (is_closed_) continue;
                grant(now);
                settle(of, now);
                if (now.is_over()) return move(of, unsettled_);
            }
            if (waiting_ == 0) return;
            do {
                grant(now);
                balance(now);
            } while (!is_closed_ && make_room(now));
        } while (!unsettled_.empty() && !now.is_over());
    }

    /// Notifies promised requests, the oldest first, as many as there are connections that somebody should close.
    void call_to_close(std::size_t count) noexcept {
        for (auto next = order_.begin(); next != order_.end() && count != 0; ++next, --count) announce(*next);
    }

    /// Whether there are requests to notify.
    bool has_notifications() const noexcept { return !notifications_.empty(); }

    /// The requests to notify after this step.
    notifications take_notifications() noexcept { return notifications_.take(); }

    /// Notifies these requests again, after the next step.
    void notify_again(notifications& undelivered) noexcept { notifications_.append(undelivered); }

private:
    template <queue_hook queue::*Hook>
    using queues = boost::intrusive::list<queue, boost::intrusive::member_hook<queue, queue_hook, Hook>,
        boost::intrusive::constant_time_size<false>>;
    using stage = queues<&queue::in_stage>;

    static std::size_t left(std::size_t bound, std::size_t used) noexcept { return bound > used ? bound - used : 0; }
    static std::size_t held(const group& of) noexcept { return of.idle.size() + of.lent; }
    static std::size_t dialing(const group& of) noexcept { return of.queue != nullptr ? of.queue->dialing : 0; }

    template <class Moment>
    static auto store_time(Moment& now) {
        if constexpr (Store::timed) return now.now();
        else return no_time{};
    }

    /// How many connections of a key its own bounds allow to be opened.
    template <class Moment>
    static std::size_t room(const queue& of, const Moment& now) noexcept {
        const group& its = *of.of;
        return std::min(left(now.bounds.max_dials_for(its.key), of.dialing),
            left(now.bounds.max_open_for(its.key), held(its) + of.dialing));
    }

    /// Whether a key, or the pool, has as many idle connections as it may keep, or more.
    template <class Moment>
    group* over_idle_bounds(group& of, Moment& now) noexcept {
        if (of.idle.size() > now.bounds.max_idle_for(of.key) && of.has_spare()) return &of;
        return store_.stats().idle > now.bounds.max_idle() ? store_.oldest_spare(nullptr, now.most) : nullptr;
    }

    /// Whether a request may leave the queue by itself: it waits, or has not begun to dial.
    static bool may_give_up(const request& asking) noexcept {
        return is_waiting(asking.state_) || asking.state_ == request_state::may_dial;
    }

    /// Why a request has given up, if it has.
    template <class Moment>
    static std::optional<request_state> reason_to_leave(const request& asking, Moment& now) noexcept {
        if (asking.is_stop_requested()) return request_state::cancelled;
        if (asking.deadline_ == Moment::time_point::max() || now.now() < asking.deadline_) return std::nullopt;
        return request_state::timed_out;
    }

    // Who gets what. Each loop below gives something, or removes a request that has given up, in each of its turns.

    /// The idle connections of a key: lends them to the requests that are due, nudges the others, oldest first, or
    /// retires them for an older request of another key.
    template <class Moment>
    void settle(queue& of, Moment& now) noexcept {
        group& its = *of.of;
        for (; its.usable() != 0 && !now.is_over(); now.spend()) {
            request* next = older(of.oldest_taker(), of.oldest());
            const bool is_due = next != nullptr && (!is_waiting(next->state_) || has_waited(*next, now) || is_full(its, now));
            if (!is_due) next = of.oldest_unnudged() != nullptr ? of.oldest_unnudged() : of.oldest_taker();
            if (next != nullptr && left_late(*next, now)) continue;

            const bool has_spare = its.usable() > its.nudged;
            if (has_spare) balance(now);
            request* const rival = has_spare ? order_.oldest_able(&of) : nullptr;
            if (rival != nullptr && older(rival, next) == rival) {
                if (left_late(*rival, now)) continue;
                store_.evict(its, now.retired);
                fit(of, now);
            } else if (next != nullptr && (is_due || (has_spare && !is_waiting(next->state_)))) {
                lend_to(*next, now);
            } else if (next != nullptr && has_spare) {
                announce(order_.nudge(of));
            } else {
                return;
            }
        }
    }

    /// Free permits: to the oldest requests that may have one.
    template <class Moment>
    void grant(Moment& now) noexcept {
        for (; open_count() < now.bounds.max_open() && !is_closed_ && !now.is_over(); now.spend()) {
            request* const next = older(order_.oldest_promised(), order_.oldest_able());
            if (next == nullptr) return;
            if (left_late(*next, now)) continue;
            queue& of = next->queue();
            end_wait(*next, now);
            next->state_ = request_state::may_dial;
            ++of.dialing;
            ++dialing_;
            if (next->takes_while_dialing()) of.takers.insert(*next);
            announce(*next);
            fit(of, now);
        }
    }

    /// Permits that will be free: promises them to the oldest requests that may have one.
    template <class Moment>
    void balance(Moment& now) noexcept {
        for (; order_.promised() != 0 || store_.stats().closing != 0; now.spend()) {
            if (now.is_over()) return;
            const std::size_t coming = left(store_.stats().closing, left(open_count(), now.bounds.max_open()));
            request* const next = order_.oldest_able();
            const bool is_full = order_.promised() == coming;
            if (order_.promised() > coming) {
                order_.unpromise(*order_.youngest_promised());
            } else if (next == nullptr || coming == 0 || (is_full && older(next, order_.youngest_promised()) != next)) {
                return;
            } else if (!left_late(*next, now)) {
                if (is_full) order_.unpromise(*order_.youngest_promised());
                order_.promise(next->queue());
            }
        }
    }

    /// Retires an idle connection for the oldest able request, if there is one of another key that no nudged request is
    /// to take. Otherwise tries the next queue. Returns whether something changed.
    template <class Moment>
    bool make_room(Moment& now) noexcept {
        request* const next = order_.oldest_able();
        if (next == nullptr || now.is_over()) return false;
        now.spend();
        if (left_late(*next, now)) return true;
        group* victim = store_.oldest_spare(next->queue().of, now.most);
        if (victim == nullptr) {
            request* const other = order_.oldest_able(&next->queue());
            if (other != nullptr) victim = store_.oldest_spare(other->queue().of, now.most);
        }
        if (victim == nullptr) return false;
        store_.evict(*victim, now.retired);
        if (victim->queue != nullptr) fit(*victim->queue, now);
        return true;
    }

    static request* older(request* a, request* b) noexcept {
        return a == nullptr || (b != nullptr && b->ticket_ < a->ticket_) ? b : a;
    }

    template <class Moment>
    static bool has_waited(const request& asking, Moment& now) noexcept {
        if constexpr (patient<decltype(now.bounds)>) {
            const auto patience = now.bounds.patience();
            return patience <= patience.zero() || saturating_since(asking.since_, now.now()) >= patience;
        } else {
            return true;
        }
    }

    /// Whether no more connections of a key can be kept idle.
    template <class Moment>
    bool is_full(const group& of, const Moment& now) const noexcept {
        return of.idle.size() > now.bounds.max_idle_for(of.key) || store_.stats().idle > now.bounds.max_idle();
    }

    /// Removes a request that has given up. Returns whether it had.
    template <class Moment>
    bool left_late(request& asking, Moment& now) noexcept {
        const auto reason = reason_to_leave(asking, now);
        if (reason) leave(asking, *reason, now);
        return reason.has_value();
    }

    template <class Moment>
    void lend_to(request& asking, Moment& now) noexcept {
        queue& of = asking.queue();
        if (entry* const found = store_.lend(*of.of, store_time(now), now.most, now.retired)) {
            asking.lent_ = found;
            leave(asking, request_state::lent, now);
        } else {
            fit(of, now);
        }
    }

    // How the state of a request changes.

    /// Makes the zones of a queue as long as they have to be.
    template <class Moment>
    void fit(queue& of, Moment& now) noexcept {
        const std::size_t nudged = of.of->nudged;
        order_.fit(of, of.of->usable(), room(of, now));
        if (of.of->nudged < nudged) store_.add_spare(*of.of);
        const bool awaits_blocked = of.of->blocked != 0 && !of.waiting.empty();
        if (awaits_blocked != of.in_blocked.is_linked()) {
            if (awaits_blocked) blocked_.push_back(of);
            else of.in_blocked.unlink();
        }
    }

    /// A waiting request leaves its zone.
    template <class Moment>
    void end_wait(request& asking, Moment& now) noexcept {
        const auto waited = saturating_since(asking.since_, now.now());
        total_wait_ = waited < waited.max() - total_wait_ ? total_wait_ + waited : waited.max();
        longest_wait_ = std::max(longest_wait_, waited);
        const bool was_nudged = asking.state_ == request_state::nudged;
        order_.erase(asking);
        if (was_nudged) store_.add_spare(*asking.queue().of);
        --waiting_;
    }

    /// A request leaves the queue, from whatever state it is in.
    template <class Moment>
    void leave(request& asking, request_state outcome, Moment& now) noexcept {
        queue& of = asking.queue();
        if (outcome > request_state::failed) see(asking);
        if (is_waiting(asking.state_)) {
            end_wait(asking, now);
        } else if (asking.state_ == request_state::may_dial) {  // a permit that it does not use
            --of.dialing;
            --dialing_;
        }
        end_request(asking, outcome);
        changed(of, now);
    }

    /// The last change of a request that does not wait any more.
    void end_request(request& asking, request_state outcome) noexcept {
        if (asking.by_age_.is_linked()) asking.queue().takers.erase(asking.queue().takers.iterator_to(asking));
        if (outcome != request_state::lent) store_.count_lookup_in_vain();
        asking.state_ = outcome;
        announce(asking);
    }

    /// What a request that is refused has seen.
    void see(request& asking) noexcept {
        const pool::stats& all = store_.stats();
        asking.seen_ = {all.idle, all.lent, dialing_, all.closing, waiting_, asking.queue().last_error};
    }

    template <class Moment>
    void end_dial(request& dialing, Moment& now) noexcept {
        queue& of = dialing.queue();
        --of.dialing;
        --dialing_;
        changed(of, now);
        serve(now);
    }

    /// Refuses the requests of a queue. Returns whether these are all; otherwise the batch has ended.
    template <class Moment>
    bool refuse(queue& of, Moment& now) noexcept {
        while (request* const next = of.oldest() != nullptr ? of.oldest() : of.oldest_taker()) {
            if (now.is_over()) return false;
            leave(*next, request_state::closed, now);
            now.spend();
        }
        return true;
    }

    /// Notifies a request, now or after the step, unless it is about to look anyway.
    void announce(request& changed) noexcept {
        if (std::exchange(changed.is_notified_, true)) return;
        if (changed.dials_on_caller_thread_) changed.notified();
        else notifications_.add(changed);
    }

    template <class Moment>
    void changed(queue& of, Moment& now) noexcept {
        if (!is_closed_) fit(of, now);
        else if (of.oldest() != nullptr || of.oldest_taker() != nullptr) return;  // which are still to be refused
        move(of, unsettled_);
    }

    static void move(queue& of, stage& to) noexcept {
        of.in_stage.unlink();
        to.push_back(of);
    }

    Store& store_;
    key_queues<Store> queues_;
    queue_order<entry> order_;
    stage settled_;    ///< queues for which there is nothing to do
    stage unsettled_;  ///< queues of which something has changed, or that are unused
    stage unfit_;      ///< queues whose zones do not fit the bounds
    queues<&queue::in_blocked> blocked_;  ///< queues whose requests wait for blocked connections
    queues<&queue::in_blocked> unasked_;  ///< the same, and these are asked again now
    notifications notifications_;
    std::size_t waiting_ = 0;
    std::size_t dialing_ = 0;
    std::uint64_t next_ticket_ = 0;
    std::uint64_t overtaken_ = 0;
    duration total_wait_{};
    duration longest_wait_{};
    bool is_closed_ = false;
};

}  // namespace pool::core
