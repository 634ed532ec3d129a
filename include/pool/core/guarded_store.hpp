// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <limits>
#include <mutex>
#include <vector>

#include <pool/core/close_conn.hpp>
#include <pool/core/guarded_parts.hpp>

/// @file
/// The steps that change what the lock guards.

namespace pool::core {

/// Every operation of a pool is made of steps. A step locks, changes the store, serves waiting requests, and unlocks.
/// Then it notifies the requests whose state has changed, and closes connections. Unlinking a connection under the lock
/// is the only claim to it: the step that unlinks it retires it, and whoever takes it from the retired ones closes it.
/// So each connection is closed exactly once.
///
/// The retired connections of all steps are in one list, and are taken from it one by one. So a close that hangs holds
/// up no other, and a permit is free as soon as its own connection is closed. `closing` says who takes them. A caller
/// that waits for a permit takes some, too.
///
/// A lease may outlive its pool. So the state deletes itself when the pool and its lazy connections are destroyed, no
/// connection is lent, and no close is left. The last step finds this out under the lock that it holds anyway.
///
/// Thread-safe, if LockPolicy is a lock.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
class guarded_store : public guarded_parts<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy> {
    using base = guarded_parts<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>;

public:
    using base::bounds_open, base::can_wait;
    using typename base::admission_type;
    using typename base::entry;
    using typename base::group;
    using typename base::moment;
    using typename base::notes_type;
    using typename base::parts;

    /// Called when the pool and its lazy connections are destroyed: it is the deleter of their common
    /// `std::shared_ptr`.
    static void orphan(guarded_store* state) noexcept {
        state->last_step([state](moment&) { state->orphaned_ = true; });
    }

    /// The end of the pool: from now on, its observer is told nothing. Leases and lazy connections may keep this state.
    void fall_silent() noexcept {
        typename notes_type::untold_events left;
        {
            const std::lock_guard guard{lock_};
            if (auto* const notes = store().notes()) left = notes->fall_silent();
        }
        release(left);
    }

protected:
    using base::admission_, base::base, base::drainers_, base::is_closed, base::lock_, base::store, base::unclosed_;
    using typename base::drainer;

    /// The largest number of entries that one step works on, so that other threads do not wait long for the lock.
    static constexpr std::size_t batch = moment::batch;

    /// Only the last step destroys it.
    virtual ~guarded_store() = default;

    /// Calls `act(moment&)` under the lock, serves, and notifies. Then closes connections, as `who` says. Returns how
    /// many `act` retired. If `act` throws, the caller closes nothing.
    template <class Act>
    std::size_t step(closing who, const Act& act, std::vector<std::exception_ptr>* errors = nullptr) {
        moment now = this->now();
        return step(who, now, act, errors);
    }

    /// The same, with a moment whose time the caller may have read.
    template <class Act>
    std::size_t step(closing who, moment& now, const Act& act, std::vector<std::exception_ptr>* errors = nullptr) {
        std::size_t count = 0, later = 0;
        entry* const claimed = locked(now, act, first_claim(who), count, later);
        if (claimed != nullptr) [[unlikely]]
            close_from(*claimed, most(who, count + later), errors);
        return count;
    }

    /// Repeats a step of at most one batch, until `act` returns that nothing is left. Returns how many it retired. The
    /// caller keeps this state alive.
    template <class Act>
    std::size_t in_batches(const Act& act, std::vector<std::exception_ptr>* errors = nullptr) {
        std::size_t count = 0;
        bool is_all = false;
        while (!is_all)
            count += step(
                closing::all, [&](moment& now) { is_all = act(now); }, errors);
        return count;
    }

    /// Calls `act(moment&)` under the lock, then deletes this state if nothing needs it any more. Then closes at most
    /// one connection, as `who` says.
    template <class Act>
    void last_step(const Act& act, closing who = closing::own_and_one) noexcept {
        if (entry* const claimed = removal(act, first_claim(who))) close_from(*claimed, 1, nullptr);
    }

    /// Closes one connection that nobody closes yet, if `begin(moment&)` returns true, which is called under the lock,
    /// and there is one then. Calls `end(moment&)` under the lock when it is closed. Returns whether it did. Throws
    /// only what `begin` throws.
    template <class Begin, class End>
    bool close_one(const Begin& begin, const End& end) {
        moment now = this->now();
        std::size_t count = 0;
        auto which = claims::none;
        const auto begins = [&](moment& its) {
            if (begin(its)) which = claims::any;
        };
        entry* const claimed = locked(now, begins, which, count, count);
        if (claimed != nullptr) close_claimed(*claimed, claims::none, nullptr, end);
        return claimed != nullptr;
    }

    /// Holds the lock. At its end, frees it, and then tells the observer what has happened meanwhile.
    class telling_guard {
    public:
        explicit telling_guard(guarded_store& of) : of_{of} { of_.lock_.lock(); }
        telling_guard(const telling_guard&) = delete;
        telling_guard& operator=(const telling_guard&) = delete;
        ~telling_guard() {
            notes_type* const to_tell = of_.begins_to_tell();
            of_.lock_.unlock();
            if (to_tell != nullptr) of_.tell(*to_tell);
        }

    private:
        guarded_store& of_;
    };

    /// Whether there are connections that nobody closes yet.
    bool has_unclosed() const noexcept { return !unclosed_.empty(); }

    /// The number of connections that a drain waits for. In a closed pool, idle connections count, too: they are about
    /// to be closed. So does the observer, while it is called.
    std::size_t outstanding() const noexcept {
        const pool::stats& all = store().stats();
        return all.lent + all.closing + admission_.dialing() + (is_closed() ? all.idle : 0) + is_telling();
    }

private:
    using base::orphaned_, base::somebody_waits_, base::unfinished_;

    /// Which retired connection a step takes, to close it.
    enum class claims : unsigned char { none, new_ones, any };

    static constexpr claims first_claim(closing who) noexcept {
        if (who == closing::later) return claims::none;
        return who == closing::own ? claims::new_ones : claims::any;
    }
    static constexpr std::size_t most(closing who, std::size_t own) noexcept {
        return who == closing::all ? std::numeric_limits<std::size_t>::max() : own + (who == closing::own_and_one);
    }

    /// Reads the clock before the lock, if the step needs the time.
    void prepare([[maybe_unused]] moment& now) const {
        if constexpr (parts::needs_time) now.now();
        else if constexpr (bounds_open)
            if (somebody_waits_.load(std::memory_order_relaxed)) [[unlikely]]
                now.now();
    }

    /// The work of a step that is left for after its locked part.
    struct aftermath {
        typename admission_type::notifications notifications{};
        notes_type* to_tell = nullptr;
    };

    /// The locked part of a step, and its notifications. Returns the connection that it has claimed, if any. `count` is
    /// how many `act` has retired, `later` how many after a first batch. `act` may set `which`.
    template <class Act>
    entry* locked(moment& now, const Act& act, const claims& which, std::size_t& count, std::size_t& later) {
        prepare(now);
        entry* claimed = nullptr;
        aftermath after;
        {
            const std::lock_guard guard{lock_};
            const std::size_t before = unclosed_.size();
            act(now);
            if (is_quiet() && !(bounds_open && now.is_over())) [[likely]]
                return nullptr;
            count = unclosed_.size() - before;
            claimed = end_step(now, which, before, after);
        }
        finish_step(now, after, which, claimed, later);
        return claimed;
    }

    /// The end of the locked part. If there is something to close, the step at the end of that tells: an observer that blocks
    /// holds up no close, and no permit.
    [[gnu::noinline]] entry* end_step(moment& now, claims which, std::size_t before, aftermath& after) noexcept {
        entry* const claimed = serve_and_claim(now, which, before);
        after.notifications = admission_.take_notifications();
        unfinished_ += bounds_open && now.is_over();
        if (claimed == nullptr) after.to_tell = begins_to_tell();
        return claimed;
    }

    /// The part of a step after the locked one.
    [[gnu::noinline]] void finish_step(
        moment& now, aftermath& after, claims which, entry*& claimed, std::size_t& later) noexcept {
        deliver(after.notifications);
        if (after.to_tell != nullptr) tell(*after.to_tell);
        if (bounds_open && now.is_over()) finish_serving(which, claimed, later);
    }

    /// The same for a step that removes an entry. Deletes this state if nothing needs it any more.
    template <class Act>
    entry* removal(const Act& act, claims which) noexcept {
        moment now = this->now();
        bool is_last = false;
        const auto removes = [&](moment& its) {
            act(its);
            is_last = is_unneeded();
        };
        std::size_t count = 0;
        entry* const claimed = locked(now, removes, which, count, count);
        if (is_last && !now.is_over()) delete this;
        return claimed;
    }

    /// Whether the pool has gone, and nothing is left of it. Only under the lock.
    bool is_unneeded() const noexcept {
        return orphaned_ && unfinished_ == 0 && store().stats().lent == 0 && store().stats().closing == 0 &&
               !is_telling();
    }

    /// Whether a step has nothing to do at its end: nobody waits or dials, and nothing has to be closed.
    bool is_quiet() const noexcept {
        if (!unclosed_.empty() || !admission_.empty() || admission_.has_notifications()) return false;
        if (const auto* const notes = store().notes())
            if (notes->has_events()) return false;
        if constexpr (bounds_open)
            if (somebody_waits_.load(std::memory_order_relaxed)) return false;
        if constexpr (can_wait) return drainers_.empty();
        return true;
    }

    /// Serves, in the locked part of a step. Returns a connection that the caller has to close, if it claims one.
    /// `before` connections were there to close before the step.
    entry* serve_and_claim(moment& now, claims which, std::size_t before) noexcept {
        if constexpr (bounds_open) {
            auto each = unclosed_.rbegin();
            for (std::size_t left = unclosed_.size(); left > before; --left, ++each)
                admission_.changed(each->of(), now);
            admission_.serve(now);
            const bool somebody_waits = admission_.waiting() != 0;
            if (somebody_waits != somebody_waits_.load(std::memory_order_relaxed))
                somebody_waits_.store(somebody_waits, std::memory_order_relaxed);
        }
        std::size_t fresh = new_since(before);
        const bool does_claim = which == claims::any || (which == claims::new_ones && fresh != 0);
        entry* const claimed = does_claim ? claim() : nullptr;
        if (claimed != nullptr && before == 0) --fresh;
        if constexpr (bounds_open) admission_.call_to_close(unclosed_.size(), fresh, batch);
        wake_drainers();
        return claimed;
    }

    void wake_drainers() noexcept {
        if constexpr (can_wait) {
            if (!drainers_.empty() && (!unclosed_.empty() || outstanding() == 0))
                for (drainer& each : drainers_) each.wake();
        }
    }

    /// Notifies requests. Those that cannot be notified are left to the next step.
    void deliver(typename admission_type::notifications& notifications) noexcept {
        if (notifications.empty()) return;
        auto undelivered = notifications.deliver();
        if (undelivered.empty()) return;
        const std::lock_guard guard{lock_};  // this state lives: such a request keeps it
        admission_.notify_again(undelivered);
    }

    /// Gives what a step has left because its batch had ended. May claim a connection, if the step may and has not, and
    /// adds to `later` how many it retires. `unfinished_` keeps this state alive.
    [[gnu::cold]] void finish_serving(claims which, entry*& claimed, std::size_t& later) noexcept {
        for (bool is_last = false, is_over = true; is_over;) {
            moment now = this->now();
            notes_type* to_tell = nullptr;
            typename admission_type::notifications notifications;
            {
                const std::lock_guard guard{lock_};
                const std::size_t before = unclosed_.size();
                const bool may_claim = which != claims::none && claimed == nullptr;
                if (entry* const found = serve_and_claim(now, may_claim ? claims::new_ones : claims::none, before))
                    claimed = found, ++later;
                later += new_since(before);
                notifications = admission_.take_notifications();
                is_over = now.is_over();
                if (claimed == nullptr) to_tell = begins_to_tell();
                unfinished_ -= !is_over;
                is_last = is_unneeded();
            }
            deliver(notifications);
            if (to_tell != nullptr) tell(*to_tell);
            if (is_last) delete this;
        }
    }

    std::size_t new_since(std::size_t old) const noexcept { return unclosed_.size() - std::min(old, unclosed_.size()); }

    /// Takes a connection to close: the first that nobody closes yet.
    entry* claim() noexcept {
        if (unclosed_.empty()) return nullptr;
        entry& first = unclosed_.front();
        unclosed_.pop_front();
        return &first;
    }

    /// Closes and destroys a claimed connection, and then others that nobody closes yet, `most` in all, or those that
    /// are retired meanwhile for requests that wait. A claimed connection counts as closing, which keeps this state
    /// alive.
    [[gnu::cold]] void close_from(entry& first, std::size_t most, std::vector<std::exception_ptr>* errors) noexcept {
        for (entry* next = &first; next != nullptr;) {
            if (most != 0) --most;
            next = close_claimed(*next, most != 0 ? claims::any : claims::new_ones, errors, [](moment&) {});
        }
    }

    /// Closes and destroys a claimed connection. Calls `end(moment&)` in the step that erases it. Returns what that
    /// step claims.
    template <class End>
    entry* close_claimed(entry& gone, claims which, std::vector<std::exception_ptr>* errors, const End& end) noexcept {
        const close_end closed = this->close(gone.conn(), errors);
        gone.destroy();
        const auto erases = [&](moment& now) {
            store().erase_closed(gone, closed);
            end(now);
        };
        return removal(erases, which);
    }

    // The observer.

    /// Only under the lock: what the caller has to `tell` of, without the lock; nullptr if there is nothing to tell, or
    /// another thread does. Until the end of that, this state lives.
    notes_type* begins_to_tell() noexcept {
        auto* const notes = store().notes();
        return notes != nullptr && notes->begin_to_tell() ? notes : nullptr;
    }

    /// Tells the observer what has happened, until there is nothing more, or until it has told so much that others should.
    /// One thread does at a time, so the events are told in their order. Deletes this state if nothing needs it any more.
    [[gnu::cold]] void tell(notes_type& notes) noexcept {
        constexpr int most_rounds = 64;
        typename notes_type::untold_events events;
        bool is_last = false;
        std::size_t failed = 0;
        for (int round = 0;; ++round) {
            {
                const std::lock_guard guard{lock_};
                notes.next_to_tell(events, failed, round != most_rounds);
                if (!notes.is_telling()) {
                    is_last = is_unneeded();
                    wake_drainers();
                    break;
                }
            }
            failed = notes.tell(events);
            release(events);
        }
        if (is_last) delete this;
    }

    /// Releases what events have kept alive, a batch at a time.
    void release(typename notes_type::untold_events& events) noexcept {
        for (bool is_all = events.empty(); !is_all;) {
            const std::lock_guard guard{lock_};
            is_all = notes_type::release(events, batch, [this](group& of) { store().release(of); });
        }
    }

    /// Whether a thread tells the observer. Only under the lock.
    bool is_telling() const noexcept {
        const auto* const notes = store().notes();
        return notes != nullptr && notes->is_telling();
    }
};

}  // namespace pool::core
