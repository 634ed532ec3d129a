// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <optional>

#include <pool/core/saturating.hpp>
#include <pool/core/wait_queue.hpp>

/// @file
/// Who gets which connection or permit, in a pool that bounds the open connections.

namespace pool::core {

/// Gives connections and permits to requests.
///
/// An open connection is idle, lent, being dialled or being closed, and holds a permit. The permit is free when the
/// connection has been closed, not before, so the peers never see more than the bound either.
///
/// - A connection that comes back is for the oldest request of its key. It is lent to that request at once if the
///   request dials, and can take another connection meanwhile; if it has waited for the patience of the policy; or if
///   no more connections may be idle. Otherwise the connection stays idle, and the request is nudged: it is notified to
///   look for itself. Until it does, another caller may take the connection.
/// - But if an older request of another key is able to dial, the connection is closed to make room for that.
/// - A permit is for the oldest request that its key's own bounds let have one, and that is not nudged. It gets a free
///   permit at once. A permit that is not free yet, because a connection is being closed, is promised. A caller that
///   closes a connection itself has that permit, before older requests.
/// - For an able request, which has no promise, room is made: the oldest idle connection of another key is retired, but
///   none that a nudged request is to take.
/// - A request that has given up gets nothing.
///
/// Every operation of a pool is a step: it changes something, and then calls `serve`, which gives all that can be given.
/// So after each step nobody waits who could be served. A step that has used up its batch leaves work: then `serve` has
/// to be called in another one. Not thread-safe.
template <class Store>
class allocation : public wait_queue<Store> {
    using base = wait_queue<Store>;

public:
    using base::open_count;
    using typename base::entry;
    using typename base::group;
    using typename base::queue;
    using typename base::request;

    /// Gives all that can be given: the end of every step. O(1) if nothing has changed, and O(log n) for each request
    /// whose state changes. At the end of the batch it stops early.
    template <class Moment>
    void serve(Moment& now) noexcept {
        for (; !unfit_.empty(); now.spend()) {
            if (now.is_over()) return;
            queue& of = unfit_.front();
            if (!refuse(of, now)) return;
            changed(of, now);
        }
        refused_before_ = 0;
        do {
            for (; !unsettled_.empty(); now.spend()) {
                if (now.is_over()) return;
                queue& of = unsettled_.front();
                if (of.is_unused()) {
                    if (!is_closed_) trim(of, now);
                    if (now.is_over()) return;
                    unsettled_.pop_front();
                    queues_.erase(of);
                    continue;
                }
                move(of, settled_);
                if (is_closed_) continue;
                grant(now);
                if (is_paused_) trim(of, now);
                else settle(of, now);
                if (now.is_over()) return changed(of, now);  // something of it may be left
            }
            if (waiting_ == 0 && !exceeds_idle_) return;
            do {
                grant(now);
                balance(now);
            } while (!is_closed_ && (make_room(now) || trim(now)));
        } while (!unsettled_.empty() && !now.is_over());
    }

protected:
    using base::announce;
    using base::base;
    using base::changed;
    using base::coming;
    using base::dialing_;
    using base::end_wait;
    using base::fit;
    using base::is_closed_;
    using base::is_paused_;
    using base::leave;
    using base::move;
    using base::order_;
    using base::queues_;
    using base::refused_before_;
    using base::settled_;
    using base::store_;
    using base::store_time;
    using base::unfit_;
    using base::unsettled_;
    using base::waited;
    using base::waiting_;

    ~allocation() = default;

    /// Whether connections and permits are given at all.
    bool gives() const noexcept { return !is_closed_ && !is_paused_; }

    /// Removes a request that has given up. Returns whether it had.
    template <class Moment>
    bool remove_if_given_up(request& asking, Moment& now) noexcept {
        const auto reason = reason_to_leave(asking, now);
        if (reason) leave(asking, *reason, now);
        return reason.has_value();
    }

    /// A request gets a permit, which is free.
    template <class Moment>
    void permit(request& asking, Moment& now) noexcept {
        queue& of = asking.queue();
        end_wait(asking, now);
        asking.state_ = request_state::may_dial;
        ++of.dialing;
        ++dialing_;
        if (!asking.dials_on_caller_thread_) of.dialers.insert(asking);
        announce(asking);
        fit(of, now);
    }

    /// Lends a request an idle connection of its key, if one can still be lent.
    template <class Moment>
    void lend_to(request& asking, Moment& now) noexcept {
        queue& of = asking.queue();
        entry* const found =
            store_.lend_after(waited(asking, now), asking.came_, *of.group, store_time(now), now.budget, now.retired);
        if (found != nullptr) {
            asking.lent_ = found;
            leave(asking, request_state::lent, now);
        } else {
            fit(of, now);
        }
    }

private:
    using base::refuse;

    // Each loop below gives something, or removes a request that has given up, in each of its turns.

    /// The idle connections of a key. If the oldest request of the key is due, one is lent to it. Otherwise those that
    /// no nudged request is to take are lent to requests that dial, or nudge those that wait, oldest first. If an older
    /// request of another key is able to dial, one of these is retired for it.
    template <class Moment>
    void settle(queue& of, Moment& now) noexcept {
        group& its = *of.group;
        for (; its.usable() != 0 && !now.is_over(); now.spend()) {
            if (its.usable() > its.nudged) balance(now);  // so that the rival below is one without a promise
            if (now.is_over()) return;
            request* const oldest = older(of.oldest_taker(), of.oldest());
            if (oldest != nullptr && remove_if_given_up(*oldest, now)) continue;
            const bool is_due = oldest != nullptr && gets_at_once(*oldest, its, now);
            const bool is_spare = its.usable() > its.nudged;  // there is one that no nudged request is to take
            if (!is_due && !is_spare) break;

            request* const next = is_due ? oldest : older(of.oldest_taker(), of.oldest_unnudged());
            request* const rival = is_spare ? order_.oldest_able(&of) : nullptr;
            if (is_older(rival, next)) {  // also if nobody of this key wants it
                if (!remove_if_given_up(*rival, now)) retire_spare(its, retirement::evicted_for_pool, now);
                continue;
            }
            if (next == nullptr) break;
            if (remove_if_given_up(*next, now)) continue;
            if (is_due || !is_waiting(next->state_)) {
                lend_to(*next, now);
            } else {
                request& nudged = order_.nudge(of);
                base::note_nudged(nudged);
                announce(nudged);
                fit(of, now);
            }
        }
        trim(of, now);
    }

    /// Retires idle connections of a key that exceed its bound, if one has come back, but none that nudged requests are
    /// to take.
    template <class Moment>
    void trim(queue& of, Moment& now) noexcept {
        group& its = *of.group;
        for (; of.exceeds_idle && !now.is_over(); now.spend()) {
            of.exceeds_idle = its.idle.size() > now.bounds.max_idle_for(its.key) && its.has_spare();
            if (of.exceeds_idle) retire_spare(its, retirement::evicted_for_key, now);
        }
    }

    /// Free permits: to the oldest requests that may have one.
    template <class Moment>
    void grant(Moment& now) noexcept {
        for (; open_count() < now.bounds.max_open() && gives() && !now.is_over(); now.spend()) {
            request* const next = older(order_.oldest_promised(), order_.oldest_able());
            if (next == nullptr) return;
            if (!remove_if_given_up(*next, now)) permit(*next, now);
        }
    }

    /// Permits that will be free: promises them to the oldest requests that may have one.
    template <class Moment>
    void balance(Moment& now) noexcept {
        for (; order_.promised() != 0 || store_.stats().closing != 0; now.spend()) {
            if (now.is_over()) return;
            const std::size_t most = coming(now);
            request* const last = order_.youngest_promised();
            if (order_.promised() > most) {
                order_.unpromise(last->queue());
                continue;
            }
            request* const next = order_.oldest_able();
            const bool none_left = order_.promised() == most;
            if (next == nullptr || (none_left && (last == nullptr || !is_older(next, last)))) return;
            if (remove_if_given_up(*next, now)) continue;
            if (none_left) order_.unpromise(last->queue());
            order_.promise(next->queue());
        }
    }

    /// Retires an idle connection for the oldest able request, if there is one of another key that no nudged request is
    /// to take. If all that could be retired are of its own key, which are blocked, then one of these is, for the oldest
    /// able request of another key. Returns whether something changed.
    template <class Moment>
    bool make_room(Moment& now) noexcept {
        request* const next = order_.oldest_able();
        if (next == nullptr || is_paused_ || now.is_over()) return false;
        now.spend();
        if (remove_if_given_up(*next, now)) return true;
        group* victim = store_.oldest_spare(next->queue().group, now.budget);
        if (victim == nullptr) {
            request* const other = order_.oldest_able(&next->queue());
            if (other != nullptr) victim = store_.oldest_spare(other->queue().group, now.budget);
            if (victim != nullptr && remove_if_given_up(*other, now)) return true;
        }
        if (victim == nullptr) return false;
        retire_spare(*victim, retirement::evicted_for_pool, now);
        return true;
    }

    /// Retires the oldest idle connection that no nudged request is to take, if a connection has come back although
    /// as many as allowed were idle. Returns whether it did.
    template <class Moment>
    bool trim(Moment& now) noexcept {
        if (!exceeds_idle_ || now.is_over()) return false;
        now.spend();
        group* const victim = is_full(now) ? store_.oldest_spare(nullptr, now.budget) : nullptr;
        exceeds_idle_ = victim != nullptr || now.is_over();
        if (victim != nullptr) retire_spare(*victim, retirement::evicted_for_pool, now);
        return victim != nullptr;
    }

    /// Retires an idle connection of a key, but none that a nudged request is to take: there has to be one.
    template <class Moment>
    void retire_spare(group& of, retirement why, Moment& now) noexcept {
        store_.evict(of, why, now.retired);
        if (of.queue != nullptr) fit(*of.queue, now);
    }

    /// Why a request has given up, if it has.
    template <class Moment>
    static std::optional<request_state> reason_to_leave(const request& asking, Moment& now) noexcept {
        if (asking.given_up_as_) return asking.given_up_as_;
        if (asking.is_stop_requested()) return request_state::cancelled;
        if (asking.deadline_ == Moment::time_point::max() || now.now() < asking.deadline_) return std::nullopt;
        return request_state::timed_out;
    }

    static bool is_older(const request* a, const request* b) noexcept {
        return a != nullptr && (b == nullptr || a->ticket_ < b->ticket_);
    }
    static request* older(request* a, request* b) noexcept { return is_older(a, b) ? a : b; }

    /// Whether the oldest request of a key is lent a connection at once, even if it has to be woken for that: it dials,
    /// or has waited for the patience, or the connection cannot be kept idle.
    template <class Moment>
    bool gets_at_once(const request& oldest, const group& of, Moment& now) const noexcept {
        if (!is_waiting(oldest.state_)) return true;
        const auto patience = now.patience();
        return patience <= patience.zero() || saturating_since(oldest.since_, now.now()) >= patience ||
               is_full(of, now);
    }

    /// Whether no more connections of a key can be kept idle.
    template <class Moment>
    bool is_full(const group& of, const Moment& now) const noexcept {
        return of.idle.size() > now.bounds.max_idle_for(of.key) || is_full(now);
    }

    /// The same of all keys.
    template <class Moment>
    bool is_full(const Moment& now) const noexcept {
        return store_.stats().idle > now.bounds.max_idle() ||
               store_.stats().idle_weight > now.max_idle_weight();
    }

protected:
    bool exceeds_idle_ = false;  ///< a connection has come back, and more may be idle than the bound of all keys allows
};

}  // namespace pool::core
