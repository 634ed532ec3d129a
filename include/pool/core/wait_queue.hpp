// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <boost/intrusive/list.hpp>

#include <pool/core/entry_store.hpp>
#include <pool/core/key_queues.hpp>
#include <pool/core/queue_order.hpp>
#include <pool/core/request.hpp>
#include <pool/core/saturating.hpp>
#include <pool/event.hpp>
#include <pool/stats.hpp>

/// @file
/// The requests of a pool, and how their states change.

namespace pool::core {

/// All requests of a pool that bounds the open connections: their queues, their order, and who is to be notified. It
/// does not decide anything: see `allocation`. Not thread-safe.
///
/// Its operations, and those of the classes that derive from it, take a `moment`: the bounds, the time and the batch of
/// a step.
template <class Store>
class wait_queue {
public:
    using entry = typename Store::entry;                         ///< one connection
    using group = typename Store::group;                         ///< what the entries of one key share
    using hashed = typename Store::hashed;                       ///< a key and its hash
    using queue = key_queue<entry>;                              ///< the requests for one key
    using duration = typename entry::parts::deadline::duration;  ///< how long requests wait
    using request = core::request<entry>;                        ///< the request of a caller
    using notifications = core::notifications<entry>;            ///< what to deliver after a step

    wait_queue(const wait_queue&) = delete;
    wait_queue& operator=(const wait_queue&) = delete;

    std::size_t waiting() const noexcept { return waiting_; }            ///< requests that wait, or are `closing`
    std::size_t dialing() const noexcept { return dialing_; }            ///< permits of requests that dial
    std::size_t promised() const noexcept { return order_.promised(); }  ///< those that wait for a close
    bool empty() const noexcept { return queues_.empty(); }              ///< nobody waits or dials
    std::uint64_t overtaken() const noexcept { return overtaken_; }      ///< connections lent past an older request
    std::uint64_t timed_out() const noexcept { return timed_out_; }      ///< requests whose deadline passed
    std::uint64_t cancelled() const noexcept { return cancelled_; }      ///< requests that were cancelled
    std::uint64_t queue_full() const noexcept { return queue_full_; }    ///< requests that found too many waiting
    duration total_wait() const noexcept { return total_wait_; }         ///< of all requests that have waited
    duration longest_wait() const noexcept { return longest_wait_; }     ///< of all requests that have waited

    /// The queue of a key; nullptr if nobody waits or dials for it. O(1).
    const queue* find(const hashed& key) const {
        const group* const of = store_.find(key);
        return of != nullptr ? of->queue : queues_.find(key);
    }

    /// The group of a key for which requests wait or dial; nullptr if there is none. O(1).
    group* group_of(const hashed& key) const {
        const queue* const of = queues_.find(key);
        return of != nullptr ? of->group : nullptr;
    }

    /// How many connections are open, those being dialled and closed included.
    std::size_t open_count() const noexcept {
        return store_.stats().idle + store_.stats().lent + store_.stats().closing + dialing_;
    }

    /// Takes note that something of a key has changed. Its queue is settled in the next `serve`. O(log n).
    template <class Moment>
    void changed(group& of, Moment& now) noexcept {
        if (of.queue != nullptr) changed(*of.queue, now);
    }

    /// The bounds have changed: nothing is given before the zones of all queues are right again.
    void bounds_changed() noexcept {
        unfit_.splice(unfit_.end(), settled_);
        unfit_.splice(unfit_.end(), unsettled_);
    }

    /// The pool is closed. From the next `serve` on, all requests are refused, and nothing is given any more.
    void close() noexcept {
        is_closed_ = true;
        bounds_changed();
    }

    /// The pool is paused: nothing is given any more. `lets_wait` is whether requests may wait until the end of that;
    /// otherwise those that wait are refused in the next `serve`.
    void pause(bool lets_wait) noexcept {
        is_paused_ = true;
        lets_wait_ = lets_wait;
        if (lets_wait) bounds_changed();
        else refuse_waiting(request_state::paused);
    }

    bool lets_wait() const noexcept { return lets_wait_; }  ///< if it is paused: whether requests may wait

    /// The end of that: everything is given in the next `serve`.
    void resume() noexcept {
        is_paused_ = false;
        bounds_changed();
    }

    /// The requests that wait now are refused in the next `serve`.
    void refuse_waiting(request_state outcome) noexcept {
        refused_as_ = outcome;
        refused_before_ = next_ticket_;
        bounds_changed();
    }

    /// The same for those of a key, as `invalidated`.
    void refuse_waiting(const hashed& key) {
        if (queue* const of = queues_.find(key)) {
            of->refused_before = next_ticket_;
            move(*of, unfit_);
        }
    }

    /// Calls `visit(group, count, since)` for each key for which requests wait, with the time since which the first does.
    /// O(n) in the keys for which requests wait or dial.
    template <class Visit>
    void for_each_waiting(const Visit& visit) noexcept {
        for (stage* const those : {&settled_, &unsettled_, &unfit_})
            for (queue& of : *those)
                if (request* const first = of.oldest()) visit(*of.group, of.waiting.size(), first->since_);
    }

    /// Whether requests wait for keys with blocked connections, or dial and could take those instead.
    bool awaits_blocked() const noexcept { return !blocked_.empty() || !unasked_.empty(); }

    /// Begins to ask these connections again: `look_again` goes on.
    void begin_look_again() noexcept { unasked_.splice(unasked_.end(), blocked_); }

    /// Asks blocked connections again that requests could take. Returns whether these were all.
    template <class Moment>
    bool look_again(Moment& now) noexcept {
        for (; !unasked_.empty() && !now.is_over(); now.spend()) {
            queue& of = unasked_.front();
            of.in_blocked.unlink();
            store_.look_again(*of.group, store_time(now), now.retired);
            changed(of, now);  // which puts it back, if one is still blocked
        }
        return unasked_.empty();
    }

    /// Has promised requests notified, the oldest first, as many as there are connections that nobody closes yet. One
    /// that closes is not promised any more, so then the next one is notified. For each of the `fresh` connections, one
    /// is notified that was not yet, because those that were may be unable to look. It asks `most` requests at most.
    void call_to_close(std::size_t unclosed, std::size_t fresh, std::size_t most) noexcept {
        for (auto next = order_.begin(); next != order_.end() && most != 0 && (unclosed != 0 || fresh != 0); ++next) {
            if (!next->is_notified_ && fresh != 0) --fresh;
            announce(*next);
            if (unclosed != 0) --unclosed;
            --most;
        }
    }

    /// Whether there are requests to notify.
    bool has_notifications() const noexcept { return !notifications_.empty(); }

    /// The requests to notify after this step.
    notifications take_notifications() noexcept { return notifications_.take(); }

    /// Notifies these requests again, after the next step.
    void notify_again(notifications& undelivered) noexcept { notifications_.append(undelivered); }

protected:
    template <queue_hook queue::*Hook>
    using queues = boost::intrusive::list<queue, boost::intrusive::member_hook<queue, queue_hook, Hook>,
        boost::intrusive::constant_time_size<false>>;
    using stage = queues<&queue::in_stage>;

    /// For the connections of `store`, which has to outlive it.
    explicit wait_queue(Store& store) : store_{store} {}
    ~wait_queue() = default;

    static std::size_t remaining(std::size_t bound, std::size_t used) noexcept {
        return bound > used ? bound - used : 0;
    }
    static std::size_t connections_of(const group& of) noexcept { return of.idle.size() + of.lent; }
    static std::size_t dials_of(const group& of) noexcept { return of.queue != nullptr ? of.queue->dialing : 0; }

    template <class Moment>
    static auto store_time(Moment& now) {
        if constexpr (Store::needs_time) return now.now();
        else return no_time{};
    }

    /// How many connections of a key its own bounds allow to be opened.
    template <class Moment>
    static std::size_t room(const queue& of, const Moment& now) noexcept {
        const group& its = *of.group;
        return std::min(remaining(now.bounds.max_dials_for(its.key), of.dialing),
            remaining(now.bounds.max_open_for(its.key), connections_of(its) + of.dialing));
    }

    /// How many permits will be free for the promised requests: one for each connection that is being closed, but for
    /// those that exceed the bound, and those that callers close for their own requests.
    template <class Moment>
    std::size_t coming(const Moment& now) const noexcept {
        const std::size_t excess = remaining(open_count(), now.bounds.max_open());
        return remaining(store_.stats().closing, excess + closing_);
    }

    /// Makes the zones of a queue as long as they have to be. If that takes more than a batch, because the bounds of its
    /// key have changed, the step is over, and nothing is given before this is done. Returns whether it is.
    template <class Moment>
    bool fit(queue& of, Moment& now) noexcept {
        const std::size_t nudged = of.group->nudged;
        const std::size_t usable = is_paused_ ? 0 : of.group->usable();  // so nobody is nudged in vain, but again later
        const bool is_fit = order_.fit(of, usable, room(of, now), Moment::batch);
        if (of.group->nudged < nudged) store_.add_spare(*of.group);
        const bool awaits_blocked = !of.group->blocked.empty() && (!of.waiting.empty() || of.has_takers());
        if (awaits_blocked != of.in_blocked.is_linked()) {
            if (awaits_blocked) blocked_.push_back(of);
            else of.in_blocked.unlink();
        }
        if (!is_fit) {
            move(of, unfit_);
            now.budget = 0;
        }
        return is_fit;
    }

    /// How long a request has waited.
    template <class Moment>
    static std::chrono::nanoseconds waited(const request& asking, Moment& now) noexcept {
        const bool waits = is_waiting(asking.state_) || asking.state_ == request_state::closing;
        if (!waits) return asking.waited_;
        const auto since = saturating_cast<std::chrono::nanoseconds>(saturating_since(asking.since_, now.now()));
        return since < since.max() - asking.waited_ ? asking.waited_ + since : since.max();
    }

    /// A request waits no more.
    template <class Moment>
    void end_wait(request& asking, Moment& now) noexcept {
        asking.waited_ = waited(asking, now);
        const auto waited = saturating_since(asking.since_, now.now());
        total_wait_ = waited < waited.max() - total_wait_ ? total_wait_ + waited : waited.max();
        longest_wait_ = std::max(longest_wait_, waited);
        if (asking.state_ == request_state::closing) no_longer_closing(asking);
        else leave_zone(asking);
        --waiting_;
    }

    /// A waiting request leaves its zone.
    void leave_zone(request& asking) noexcept {
        const bool was_nudged = asking.state_ == request_state::nudged;
        order_.erase(asking);
        if (was_nudged) store_.add_spare(*asking.queue().group);
    }

    void no_longer_closing(request& asking) noexcept {
        --asking.queue().closing;
        --closing_;
    }

    /// A request leaves the queue, from whatever state it is in.
    template <class Moment>
    void leave(request& asking, request_state outcome, Moment& now) noexcept {
        queue& of = asking.queue();
        if (is_refusal(outcome)) see(asking);
        if (is_waiting(asking.state_) || asking.state_ == request_state::closing) {
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
        if (asking.by_age_.is_linked()) asking.queue().dialers.erase(asking.queue().dialers.iterator_to(asking));
        if (outcome != request_state::lent) {
            store_.count_lookup_in_vain();
            timed_out_ += outcome == request_state::timed_out;
            cancelled_ += outcome == request_state::cancelled;
            queue_full_ += outcome == request_state::queue_full;
            note_end(asking, outcome);
        }
        asking.state_ = outcome;
        announce(asking);
    }

    /// It has asked, and is not refused. That is told once, to the simulated pools.
    void note_arrival(request& asking) noexcept {
        auto* const notes = store_.notes();
        if (notes == nullptr || asking.came_.how != arrival::none || asking.state_ > request_state::may_dial) [[likely]]
            return;
        asking.came_.how = is_waiting(asking.state_) ? arrival::queued : arrival::served;
        const auto clock = [=] { return notes->now(); };
        notes->ghosts.came(*asking.queue().group, asking.came_, is_paused_, asking.prefers_dial_, clock);
        if (is_paused_) asking.came_.how = arrival::served;  // as far as bounds are concerned
    }

    /// It was told to look.
    void note_nudged(request& nudged) noexcept {
        note_queued(nudged);
        if (auto* const notes = store_.notes()) notes->waiting(event_kind::nudged, *nudged.queue().group);
    }
    /// It has to wait. That is told once.
    void note_queued(request& asking) noexcept {
        auto* const notes = store_.notes();
        if (notes != nullptr && !std::exchange(asking.is_told_queued_, true))
            notes->waiting(event_kind::queued, *asking.queue().group);
    }
    /// It ends without a connection.
    void note_end(const request& asking, request_state outcome) noexcept {
        auto* const notes = store_.notes();
        if (notes == nullptr) [[likely]]
            return;
        group& of = *asking.queue().group;
        notes->ghosts.left(of, asking.came_, [=] { return notes->now(); });
        switch (outcome) {
        case request_state::failed:
            return;
        case request_state::timed_out: return notes->waiting(event_kind::timed_out, of, asking.waited_);
        case request_state::cancelled: return notes->waiting(event_kind::cancelled, of, asking.waited_);
        default: return notes->waiting(event_kind::turned_away, of, asking.waited_, core::why_refused(outcome));
        }
    }

    /// What a request that is refused has seen.
    void see(request& asking) noexcept {
        const pool::stats& all = store_.stats();
        asking.seen_ = {all.idle, all.lent, dialing_, all.closing, waiting_, asking.queue().last_error};
    }

    /// Refuses the requests of a queue that are to be refused. Returns whether these are all; otherwise the batch has
    /// ended.
    template <class Moment>
    bool refuse(queue& of, Moment& now) noexcept {
        for (;; now.spend()) {
            request* next = of.oldest();
            if (is_closed_ && next == nullptr) next = of.oldest_dialer();
            if (next == nullptr || !is_refused(*next)) break;
            if (now.is_over()) return false;
            const request_state outcome = next->ticket_ < refused_before_ ? refused_as_ : request_state::invalidated;
            leave(*next, is_closed_ ? request_state::closed : outcome, now);
        }
        of.refused_before = 0;
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
        const bool has_dialer = is_closed_ && of.oldest_dialer() != nullptr;
        if (has_dialer || (of.oldest() != nullptr && is_refused(*of.oldest()))) return move(of, unfit_);
        if (is_closed_ || fit(of, now)) move(of, unsettled_);
    }

    /// Whether a request that waits is to be refused.
    bool is_refused(const request& asking) const noexcept {
        return is_closed_ || asking.ticket_ < refused_before_ || asking.ticket_ < asking.queue().refused_before;
    }

    static void move(queue& of, stage& to) noexcept {
        of.in_stage.unlink();
        to.push_back(of);
    }

    Store& store_;
    key_queues<Store> queues_;
    queue_order<entry> order_;
    stage settled_;                       ///< queues for which there is nothing to do
    stage unsettled_;                     ///< queues of which something has changed, or that are unused
    stage unfit_;                         ///< queues whose zones do not fit the bounds
    queues<&queue::in_blocked> blocked_;  ///< queues whose requests could take blocked connections
    queues<&queue::in_blocked> unasked_;  ///< the same, but not asked yet since `begin_look_again`
    notifications notifications_;
    std::size_t waiting_ = 0;
    std::size_t dialing_ = 0;
    std::size_t closing_ = 0;  ///< requests in the state of this name
    std::uint64_t overtaken_ = 0;
    std::uint64_t timed_out_ = 0;
    std::uint64_t cancelled_ = 0;
    std::uint64_t queue_full_ = 0;
    duration total_wait_{};
    duration longest_wait_{};
    bool is_closed_ = false;
    bool is_paused_ = false;
    bool lets_wait_ = false;            ///< while it is paused
    std::uint64_t next_ticket_ = 0;     ///< of the next request
    std::uint64_t refused_before_ = 0;  ///< until all are: older requests that wait are refused
    request_state refused_as_ = request_state::paused;
};

}  // namespace pool::core
