// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include <boost/intrusive/list.hpp>

#include <pool/connection.hpp>
#include <pool/core/acquire_errors.hpp>
#include <pool/core/close_conn.hpp>
#include <pool/core/dial_with.hpp>
#include <pool/core/guarded_store.hpp>
#include <pool/core/parking.hpp>
#include <pool/core/request.hpp>
#include <pool/core/running_dial.hpp>
#include <pool/dial.hpp>

/// @file
/// How connections are opened: entries, dials, and dials that an `invalidate` outdates.

namespace pool::core {

/// The fate of the connection of a dial.
enum class dial_end : unsigned char {
    kept,      ///< it is lent, or idle
    closed,    ///< it could not be kept
    outdated,  ///< its caller has to close it: the pool was invalidated meanwhile
};

/// The store of a pool, and the connections that are being opened. Whoever opens a connection makes an entry first. So
/// the entry is of the generation in which the dial begins: if the pool is invalidated meanwhile, the dial is outdated.
/// Its connection is closed then, and the dial is made again. Thread-safe, if LockPolicy is a lock.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
class opening_store : public guarded_store<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy> {
    using base = guarded_store<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>;

public:
    using typename base::entry;
    using typename base::hashed;
    using typename base::moment;
    using typename base::time_point;
    using running_dial = core::running_dial<entry>;  ///< a dial that gets a context

    /// A dial begins, with the stop token of `stop` in its context. An earlier invalidation does not outdate it: nobody
    /// would interrupt it.
    void begin_dial(running_dial& begun, entry& fresh, std::stop_source stop) noexcept {
        const std::lock_guard guard{lock_};
        store().renew(fresh);
        begun.fresh = &fresh;
        begun.is_interrupted = false;
        begun.stop.swap(stop);
        if (begun.is_unneeded) begun.stop.request_stop();  // which calls nobody yet
        running_.push_back(begun);
    }

    /// Nobody needs the connection of a dial, which may be running, or about to begin: requests a stop.
    void stop_dial(running_dial& unneeded) noexcept {
        std::stop_source stop{std::nostopstate};
        {
            const std::lock_guard guard{lock_};
            unneeded.is_unneeded = true;
            stop = unneeded.stop;
        }
        stop.request_stop();
    }

    /// It has ended. Returns whether it was interrupted.
    bool end_dial(running_dial& ended) noexcept {
        const std::lock_guard guard{lock_};
        running_.erase(running_.iterator_to(ended));
        return ended.is_interrupted;
    }

    /// A dial has failed. `closed` is the close of a dead connection. If it was interrupted, its entry is for the next one; otherwise this erases it.
    void end_failed_dial(entry& fresh, bool was_interrupted, const kept_error& why,
        const std::optional<close_end>& closed = {}) noexcept {
        const failed_dial_guard guard{*this};
        store().count_failed_dial(fresh, why, closed);
        if (!was_interrupted) store().erase_unopened(fresh);
    }

    /// Erases an entry that has no connection.
    void erase_unopened(entry& fresh) noexcept {
        const std::lock_guard guard{lock_};
        store().erase_unopened(fresh);
    }

private:
    /// Where a dial holds a permit, the step that frees it tells of the failure: an observer may want the permit.
    class silent_guard : std::lock_guard<LockPolicy> {
    public:
        explicit silent_guard(opening_store& of) : std::lock_guard<LockPolicy>{of.lock_} {}
    };
    using failed_dial_guard = std::conditional_t<base::bounds_open, silent_guard, typename base::telling_guard>;

protected:
    ~opening_store() override = default;

    using base::admission_, base::expiry_, base::is_closed, base::lends, base::lock_, base::read_clock, base::store;
    using base::base;

    /// Makes an entry for a connection that its caller opens. Strong guarantee.
    entry& make_entry(const hashed& key) {
        const time_point now = read_clock();
        const std::lock_guard guard{lock_};
        return store().make_entry(key, expiry_.earliest(now), admission_.group_of(key));
    }

    /// Makes an entry, and constructs a connection in it from the result of `make(key)`. The caller owns the entry
    /// until it lends, stores or erases it. Strong guarantee.
    template <class Make>
    entry& make_entry_with(const hashed& key, const Make& make) {
        entry& fresh = make_entry(key);
        try {
            fresh.construct([&]() -> Conn { return make(fresh.key()); });
        } catch (...) {
            erase_unopened(fresh);
            throw;
        }
        return fresh;
    }

    /// Closes the connection of a dial that nobody gets, if there is one.
    std::optional<close_end> close_opened(entry& fresh) noexcept {
        std::optional<close_end> closed;
        if (fresh.has_conn()) closed = this->close(fresh.conn());
        fresh.destroy();
        return closed;
    }

    /// Dials, for an entry. A dial that throws is counted, and one that returns a dead connection has failed, too: then
    /// the entry is erased. An interrupted dial that fails throws nothing, unless its caller has requested a stop: the
    /// entry has no connection then.
    template <class Dial>
    void dial_into(entry& fresh, Dial& dial, const dial_context& context) {
        bool was_interrupted = false;
        std::optional<interruptible> running;
        if constexpr (heeds_context<Dial, Key>)
            if (core::can_be_stopped(dial)) begin_interruptible(running, fresh, context, was_interrupted);
        try {
            fresh.construct([&]() -> Conn {
                return core::dial_with<Conn>(dial, fresh.key(), running ? running->context : context);
            });
            if (connection_traits<Conn>::closed(fresh.conn())) [[unlikely]]
                throw core::dead_dial_error(*this, fresh.key(), fresh.conn());
        } catch (...) {
            running.reset();
            const kept_error why = this->text_of(std::current_exception());
            const auto closed = close_opened(fresh);
            const bool is_over = !was_interrupted || context.stop.stop_requested();
            {
                const failed_dial_guard guard{*this};
                store().count_failed_dial(fresh, why, closed);
                if (is_over) store().erase_unopened(fresh);
            }
            if (is_over) throw;
        }
    }

    /// The end of an outdated dial: the same, and erases the entry. Calls `then(moment&)` in the same step.
    template <class Then>
    void erase_outdated(entry& fresh, const Then& then) noexcept {
        const auto closed = close_opened(fresh);
        this->step(closing::later, [&](moment& now) {
            if (closed) store().count_unneeded_dial(fresh, *closed);
            store().erase_unopened(fresh);
            then(now);
        });
    }

    /// Dials for a caller that is then lent the connection, in a pool without a wait queue. Throws what the dial throws,
    /// or the refusal of its caller, and erases the entry then.
    template <class Dial>
    entry& dial_for_lease(entry& fresh, Dial& dial, const dial_context& context) {
        const request_state end = dial_and_lend(fresh, dial, context, true);
        try {
            core::throw_refusal(end, *this, fresh.hashed());
        } catch (...) {
            erase_unopened(fresh);
            throw;
        }
        return fresh;
    }

    /// The same, but if its caller is refused, the entry is still there. Returns that refusal, or `lent`. `is_for_caller`:
    /// a caller gets the connection.
    template <class Dial>
    request_state dial_and_lend(entry& fresh, Dial& dial, const dial_context& context, bool is_for_caller) {
        for (int n = 1;; ++n) {
            dial_into(fresh, dial, context);
            const bool is_open = fresh.has_conn();
            const time_point opened = base::rule::asks.opened ? read_clock() : time_point{};
            {
                const typename base::telling_guard guard{*this};
                if (is_open) store().count_dial(fresh);
                if (is_open && !is_closed() && !store().is_outdated(fresh)) [[likely]] {
                    store().mark_lent(fresh, expiry_.of_new(opened));
                    if (is_for_caller) store().lend_fresh(fresh);
                    return request_state::lent;
                }
            }
            const request_state why = undo_dial(fresh);
            if (why != request_state::invalidated || n == most_outdated || core::has_ended(context)) return why;
        }
    }

    /// A dial is not needed. Closes its connection, and returns why. If it was outdated, the entry is for the next dial.
    request_state undo_dial(entry& fresh) noexcept {
        const auto closed = close_opened(fresh);
        const typename base::telling_guard guard{*this};
        if (closed) store().count_unneeded_dial(fresh, *closed);
        if (is_closed()) return request_state::closed;
        if (!lends()) return request_state::paused;
        store().renew(fresh);
        return request_state::invalidated;
    }

    /// Requests a stop of the dials that are outdated.
    void interrupt_outdated() noexcept {
        std::size_t left = 0;
        {
            const std::lock_guard guard{lock_};
            left = running_.size();
        }
        // Each look is at the first dial, which then becomes the last one: others may begin and end meanwhile.
        for (; left != 0; --left) {
            std::stop_source stop{std::nostopstate};
            {
                const std::lock_guard guard{lock_};
                if (running_.empty()) return;
                running_dial& next = running_.front();
                running_.splice(running_.end(), running_, running_.begin());
                if (!store().is_outdated(*next.fresh) || std::exchange(next.is_interrupted, true)) continue;
                stop = next.stop;
            }
            stop.request_stop();
        }
    }

    /// In the child of a fork: no dial is running.
    void abandon() noexcept {
        std::construct_at(std::addressof(running_));
        base::abandon();
    }

private:
    /// A blocking dial, and its context: a stop is requested if its caller requests one, or if it is interrupted.
    class interruptible {
        struct pass_on {
            std::stop_source to;
            void operator()() noexcept { to.request_stop(); }
        };

    public:
        interruptible(opening_store& state, entry& fresh, const dial_context& of_caller, bool& was_interrupted)
            : was_interrupted_{was_interrupted},
              state_{state} {
            const std::stop_source stop;
            context = {of_caller.deadline, stop.get_token()};
            if (of_caller.stop.stop_possible()) asked_.emplace(of_caller.stop, pass_on{stop});
            state_.begin_dial(dial_, fresh, stop);
        }
        interruptible(const interruptible&) = delete;
        interruptible& operator=(const interruptible&) = delete;
        ~interruptible() { was_interrupted_ = state_.end_dial(dial_); }

        dial_context context;  ///< for the dial

    private:
        bool& was_interrupted_;
        opening_store& state_;
        running_dial dial_;
        std::optional<typename stop_callback_for<LockPolicy, pass_on>::type> asked_;
    };

    /// If there is no memory for that, no dial has failed. Erases the entry then.
    void begin_interruptible(std::optional<interruptible>& running, entry& fresh, const dial_context& of_caller,
        bool& was_interrupted) {
        try {
            running.emplace(*this, fresh, of_caller, was_interrupted);
        } catch (...) {
            erase_unopened(fresh);
            throw;
        }
    }

    boost::intrusive::list<running_dial> running_;
};

}  // namespace pool::core
