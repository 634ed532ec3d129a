// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

#include <pool/core/entry_store.hpp>
#include <pool/core/key_queue.hpp>
#include <pool/core/request.hpp>
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
/// The requests of all keys are in one queue, by age. A connection goes to the oldest request of its key, even if the
/// dial of that request is still running. A permit goes to the oldest request that may use it: a request whose key is
/// at its own bound is skipped. Not thread-safe.
template <class Store>
class admission {
    using entry = typename Store::entry;
    using entries = typename Store::entries;
    using hashed = typename Store::hashed;
    using queue = key_queue<Store>;
    using requests_of = request_queue<Store>;

public:
    using request = core::request<Store>;              ///< the request of a caller
    using notifications = core::notifications<Store>;  ///< what to deliver after a step

    /// For the connections of `store`, which has to outlive it.
    explicit admission(Store& store) noexcept : store_{store} {}

    admission(const admission&) = delete;
    admission& operator=(const admission&) = delete;

    std::size_t waiting() const noexcept { return waiting_; }  ///< requests that wait, without a dial of their own
    std::size_t dialing() const noexcept { return dialing_; }  ///< running dials
    bool empty() const noexcept { return queues_.empty(); }    ///< nobody waits, and no dial is running

    /// Requests for a key that wait.
    std::size_t waiting(const hashed& key) const {
        const queue* const of = queues_.find(key);
        return of != nullptr ? of->waiting.requests.size() : 0;
    }

    /// The running dials of a key.
    std::size_t dialing(const hashed& key) const {
        const queue* const of = queues_.find(key);
        return of != nullptr ? of->dialing : 0;
    }

    /// Whether a request would take a connection of this key.
    bool is_wanted(const hashed& key) const {
        queue* const of = queues_.find(key);
        return of != nullptr && oldest(*of) != nullptr;
    }

    /// How many connections are open, those being dialled and closed included.
    std::size_t open_count() const noexcept {
        return store_.stats().idle + store_.stats().lent + store_.stats().closing + dialing_;
    }

    /// The same for the key of an entry. It does not include connections that are being closed.
    std::size_t open_count(const entry& known) const {
        const key_stats held = store_.stats(known);
        return held.idle + held.lent + dialing(known.hashed());
    }

    /// Whether more connections are open than the bounds allow; `lent` counts as open. Connections that are being
    /// closed do not count: they make room without a further close.
    template <class Policy>
    bool is_over_bounds(const entry& lent, const Policy& policy) const noexcept {
        return open_count() - store_.stats().closing > policy.max_open() ||
               open_count(lent) > policy.max_open_for(lent.key());
    }

    /// How many may be idle, so that no bound on open connections is exceeded either.
    template <class Policy>
    std::size_t max_idle(const Policy& policy) const noexcept {
        return std::min(policy.max_idle(), left(policy.max_open(), store_.stats().lent + dialing_));
    }

    /// The same for the key of an entry.
    template <class Policy>
    std::size_t max_idle_for(const entry& known, const Policy& policy) const noexcept {
        const std::size_t used = store_.stats(known).lent + dialing(known.hashed());
        return std::min(policy.max_idle_for(known.key()), left(policy.max_open_for(known.key()), used));
    }

    /// Puts a request at the end of the queue. Strong guarantee.
    void enqueue(request& asking, const hashed& key) {
        asking.queue_ = &queues_.find_or_make(store_, key);
        asking.ticket_ = next_ticket_++;
        join(asking);
    }

    /// Lends an idle connection to a request that is not in the queue.
    void complete(request& asking, entry& found) noexcept {
        asking.lent_ = &found;
        settle(asking, request_state::lent);
    }

    /// Refuses a request that is not in the queue.
    void complete(request& asking, request_state outcome) noexcept {
        store_.count_lookup_in_vain();
        settle(asking, outcome);
    }

    /// The state of a notified request. `dialing` means that its caller must start to dial now.
    request_state poll(request& asking) noexcept {
        asking.is_notified_ = false;
        asking.may_begin_ = false;
        return asking.state_;
    }

    /// Takes a request out, unless it is settled or dials on its caller's thread. Any other dial goes on without it.
    void cancel(request& asking, request_state outcome = request_state::cancelled) noexcept {
        const bool dials = asking.state_ == request_state::dialing && !asking.dials_on_caller_thread_;
        if (asking.state_ != request_state::waiting && !dials) return;
        queue& of = *asking.queue_;
        store_.count_lookup_in_vain();
        asking.last_error_ = of.last_error;
        leave(asking);
        settle(asking, outcome);
        queues_.erase_if_unused(of);
    }

    /// The pool is closed: refuses all requests, the oldest first.
    void refuse_all() noexcept {
        while (!by_age_.empty()) cancel(by_age_.begin()->requests.front(), request_state::closed);
    }

    /// Hands idle connections and free permits to waiting requests. Close what it retires, then call it again. Also
    /// call it after any other step that frees a connection or a permit. O(1) while nothing is free, otherwise O(log n)
    /// for each key that has requests.
    template <class Policy, class Time>
    void serve(const Policy& policy, Time now, entries& retired) noexcept {
        std::size_t reserved = 0;  // permits that will soon be free and that belong to an older request
        for (auto next = by_age_.begin(); next != by_age_.end();) {
            const bool is_full = open_count() >= policy.max_open();
            if (is_full && store_.stats().idle == 0) return;
            const std::uint64_t age = next->requests.front().ticket_;
            queue& of = next->of;
            if (entry* const found = store_.lend(of.hashed(), now, retired, count_miss::no)) {
                const std::size_t before = dialing_;
                hand_over(next->requests.front(), *found);
                queues_.erase_if_unused(of);
                if (dialing_ < before) {  // the permit is free again, and an older request may need it
                    reserved = 0;
                    next = by_age_.begin();
                    continue;
                }
            } else if (!next->dials && !is_full && room_for(of, of.waiting.requests.size(), policy) != 0) {
                grant(of);
            } else if (!next->dials && is_full && of.waiting.requests.size() > of.spare) {
                reserved += room_for(of, of.waiting.requests.size() - of.spare, policy);
                const std::size_t excess = open_count() - policy.max_open();
                while (store_.stats().closing < reserved + excess && store_.make_room(of.hashed(), retired)) {
                }
            }
            next = by_age_.upper_bound(age);
        }
    }

    /// A dial has succeeded. The store has its connection, `fresh`, as lent. If the request of the dial still needs a
    /// connection, `fresh` goes to the oldest request of the key, and this returns true. Otherwise the caller has to
    /// give `fresh` back.
    bool dial_succeeded(request& dialing, entry& fresh) noexcept {
        const bool needed = dialing.state_ == request_state::dialing;
        if (needed) {
            if (!dialing.dials_on_caller_thread_) leave(dialing);
            dialing.state_ = request_state::waiting;
            join(dialing);
            store_.count_lookup_in_vain();
            hand_over(*oldest(*dialing.queue_), fresh);
        }
        end_dial(dialing);
        return needed;
    }

    /// A dial has failed. Its own request fails, too, unless it is settled already.
    void dial_failed(request& dialing, request_state outcome, dial_error error) noexcept {
        queue& of = *dialing.queue_;
        if (error) of.last_error = std::move(error);
        if (dialing.state_ == request_state::dialing) {
            store_.count_lookup_in_vain();
            if (!dialing.dials_on_caller_thread_) leave(dialing);
            settle(dialing, outcome);
        }
        end_dial(dialing);
    }

    /// The requests to notify after this step.
    notifications take_notifications() noexcept {
        notifications taken;
        taken.requests_.swap(notifications_.requests_);
        return taken;
    }

private:
    friend notifications;

    static std::size_t left(std::size_t bound, std::size_t used) noexcept { return bound > used ? bound - used : 0; }

    /// How many of the `needed` connections of a key its own bounds allow to be opened.
    template <class Policy>
    std::size_t room_for(const queue& of, std::size_t needed, const Policy& policy) const noexcept {
        const key_stats held = store_.stats(of.hashed());
        return std::min({
            needed,
            left(policy.max_dials_for(of.key()), of.dialing),
            left(policy.max_open_for(of.key()), held.idle + held.lent + of.dialing),
        });
    }

    requests_of& queue_of(request& asking) noexcept {
        return asking.state_ == request_state::dialing ? asking.queue_->dialers : asking.queue_->waiting;
    }

    /// Puts a request into its queue, at the place of its age.
    void join(request& asking) noexcept {
        requests_of& of = queue_of(asking);
        auto before = of.requests.end();
        while (before != of.requests.begin() && asking.ticket_ < std::prev(before)->ticket_) --before;
        if (before == of.requests.begin() && !of.requests.empty()) by_age_.erase(by_age_.iterator_to(of));
        of.requests.insert(before, asking);
        if (&of.requests.front() == &asking) by_age_.insert(of);
        waiting_ += !of.dials;
    }

    void leave(request& asking) noexcept {
        requests_of& of = queue_of(asking);
        const bool was_oldest = &of.requests.front() == &asking;
        if (was_oldest) by_age_.erase(by_age_.iterator_to(of));
        of.requests.erase(of.requests.iterator_to(asking));
        if (was_oldest && !of.requests.empty()) by_age_.insert(of);
        if (!of.dials) {
            --waiting_;
        } else if (std::exchange(asking.may_begin_, false)) {
            --of.of.dialing;  // the dial has not begun
            --dialing_;
        } else {
            ++of.of.spare;
        }
    }

    static void notify(request& changed) noexcept { changed.notified(); }

    /// Notifies a request now, or after the step.
    void announce(request& changed) noexcept {
        if (changed.dials_on_caller_thread_) {
            notify(changed);
        } else if (!std::exchange(changed.is_notified_, true)) {
            notifications_.requests_.push_back(changed);
        }
    }

    void settle(request& asking, request_state outcome) noexcept {
        asking.state_ = outcome;
        announce(asking);
    }

    void hand_over(request& taker, entry& lent) noexcept {
        leave(taker);
        taker.lent_ = &lent;
        settle(taker, request_state::lent);
    }

    /// The request that takes the next connection of a key.
    static request* oldest(queue& of) noexcept {
        auto& waiting = of.waiting.requests;
        auto& dialers = of.dialers.requests;
        if (waiting.empty() || dialers.empty()) {
            auto& any = waiting.empty() ? dialers : waiting;
            return any.empty() ? nullptr : &any.front();
        }
        return waiting.front().ticket_ < dialers.front().ticket_ ? &waiting.front() : &dialers.front();
    }

    /// Gives a permit to the oldest waiting request of a key.
    void grant(queue& of) noexcept {
        request& dialing = of.waiting.requests.front();
        leave(dialing);
        dialing.state_ = request_state::dialing;
        ++of.dialing;
        ++dialing_;
        if (!dialing.dials_on_caller_thread_) {
            dialing.may_begin_ = true;
            join(dialing);
        }
        announce(dialing);
    }

    void end_dial(request& dialing) noexcept {
        queue& of = *dialing.queue_;
        --of.dialing;
        --dialing_;
        of.spare -= !dialing.dials_on_caller_thread_;
        queues_.erase_if_unused(of);
    }

    Store& store_;
    key_queues<Store> queues_;
    queues_by_age<Store> by_age_;
    notifications notifications_;
    std::size_t waiting_ = 0;
    std::size_t dialing_ = 0;
    std::uint64_t next_ticket_ = 0;
};

}  // namespace pool::core
