// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pool/connection.hpp>
#include <pool/core/acquire_errors.hpp>
#include <pool/core/close_conn.hpp>
#include <pool/core/dial_with.hpp>
#include <pool/core/guarded_store.hpp>
#include <pool/core/saturating.hpp>
#include <pool/dial.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/settings.hpp>
#include <pool/stats.hpp>

/// @file
/// The operations of a pool on idle and lent connections. The pool shares this state with its leases and lazy
/// connections.

namespace pool::core {

/// Everything that a pool does, except waiting. Thread-safe, if LockPolicy is a lock.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
class pool_state : public guarded_store<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy> {
    using base = guarded_store<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>;

public:
    using base::bounds_open;
    using base::timed;
    using typename base::clock_time_point;
    using typename base::entries;
    using typename base::entry;
    using typename base::group;
    using typename base::hashed;
    using typename base::moment;
    using typename base::store_type;
    using typename base::time_point;

    /// An empty state.
    pool_state(CapacityPolicy capacity, ExpiryPolicy expiry, pool_settings settings, ClockPolicy clock)
        : base{std::move(capacity), std::move(expiry), std::move(settings), std::move(clock)} {}

    // Lending. A look-up closes nothing, so that it is not late: the dead connections that it finds are closed later.

    /// Lends an idle connection; nullptr if there is none.
    entry* lend(const hashed& key) { return until_done([&](moment& now) { return look_up(key, now); }); }

    /// The same, but it counts no miss: the caller goes on by submitting a request.
    entry* lend_at_once(const hashed& key) { return until_done([&](moment& now) { return find_idle(key, now); }); }

    /// Lends an idle connection, or dials a new one. Throws what `dial` throws, and `pool_closed`.
    template <class Dial>
    entry& acquire(const hashed& key, Dial& dial, const dial_context& context)
        requires(!bounds_open)
    {
        entry* fresh = nullptr;
        bool is_over = true;
        while (is_over) {
            entry* found = nullptr;
            moment now = this->now();
            const time_point earliest = expires_at(base::entry_time(now));
            step(closing::later, now, [&](moment&) {
                found = look_up(key, now);
                is_over = now.is_over();
                // In the same step, because `key` may refer to something that other code destroys.
                if (found == nullptr && !is_over && !closed_) fresh = &store().make_entry(key, earliest);
            });
            if (found != nullptr) [[likely]] return *found;
        }
        if (fresh == nullptr) throw core::closed_error(*this, key);

        dial_into(*fresh, dial, context);
        bool is_closed = false;
        {
            const std::lock_guard guard{lock_};
            store().count_dial();
            is_closed = closed_;
            if (!is_closed) store().mark_lent(*fresh);
        }
        if (!is_closed) return *fresh;
        try {
            throw core::closed_error(*this, fresh->hashed());
        } catch (...) {
            close_uncounted(*fresh);
            throw;
        }
    }

    /// Moves an idle connection out, if there is one. If the move throws, the pool closes the connection.
    std::optional<Conn> take(const hashed& key) {
        std::optional<Conn> taken;
        if (entry* found = lend(key)) {
            try {
                taken.emplace(std::move(found->conn()));
            } catch (...) {
                close_uncounted(*found);
                throw;
            }
            found->destroy();
            step(closing::later, [&](moment& now) {
                admission_.erase_lent(found->of(), [&] { store().erase_taken(*found); }, now);
            });
        }
        return taken;
    }

    // Opening.

    /// Makes an entry, and constructs a connection in it from the result of `make(key)`. The caller owns the entry
    /// until it lends, stores or erases it. Strong guarantee.
    template <class Make>
    entry& make_entry_with(const hashed& key, const Make& make) { return construct_in(make_entry(key), make); }

    /// Adds a connection, as idle. `key` may refer to a part of it. Strong guarantee.
    void put(const hashed& key, Conn&& conn) {
        entry& fresh = make_entry_with(key, [&](const Key&) -> Conn { return std::move(conn); });
        const bool dead = connection_traits<Conn>::closed(fresh.conn());
        moment now = this->now();
        const time_point at = expires_at(base::entry_time(now));
        step(closing::own_and_one, now, [&](moment&) {
            if (dead || closed_) return store().refuse(fresh, now.retired);
            store().mark_lent(fresh);
            keep(fresh, at, true, now);
        });
    }

    // Giving back.

    /// Makes a lent connection idle, or closes it if there is no room for it.
    void give_back(entry& lent) noexcept {
        const bool dead = connection_traits<Conn>::closed(lent.conn());
        moment now = this->now();
        const time_point at = expires_at(base::entry_time(now));
        step(closing::own_and_one, now, [&](moment&) {
            if (dead || closed_) store().refuse(lent, now.retired);
            else keep(lent, at, was_reconfigured_, now);
        });
    }

    /// Closes a lent connection.
    void discard(entry& lent) noexcept {
        step(closing::own_and_one, [&](moment& now) { store().discard(lent, now.retired); });
    }

    /// Erases the entry of a connection that the caller has moved out.
    void detach(entry& lent) noexcept {
        lent.destroy();
        last_step([&](moment& now) {
            admission_.erase_lent(lent.of(), [&] { store().erase_detached(lent); }, now);
        });
    }

    // Operations on idle connections.

    /// Closes the expired connections. Returns how many.
    std::size_t expire()
        requires timed
    {
        return in_batches([this, at = read_clock()](moment& now) { return store().expire(at, batch, now.retired); });
    }

    /// Does all that is due. Returns how many connections have expired.
    std::size_t upkeep() {
        look_again();
        std::size_t expired = 0;
        if constexpr (timed) expired = expire();
        step(closing::all, [](moment&) {});  // connections that look-ups have found dead
        return expired;
    }

    /// When to do that next.
    clock_time_point next_upkeep() {
        clock_time_point next = clock_time_point::max();
        if constexpr (timed) next = next_expiry();
        if constexpr (bounds_open) {
            const clock_time_point now = this->clock().now();
            const std::lock_guard guard{lock_};
            if (closed_) return next;
            const std::chrono::milliseconds soon{admission_.awaits_blocked() ? 10 : 1'000};
            next = std::min(next, saturating_add(now, soon));
        }
        return next;
    }

    /// No connection, idle now or later, expires before this time.
    time_point next_expiry()
        requires timed
    {
        const time_point now = read_clock();
        time_point earliest = expires_at(now);
        if (earliest <= now) earliest = time_point::max();  // a connection that is given back would not be kept
        for (;;) {
            const std::lock_guard guard{lock_};
            if (closed_) return time_point::max();
            if (const auto next = store().next_expiry(batch)) return std::min(*next, earliest);
        }
    }

    /// Closes the idle connections. Returns how many.
    std::size_t clear(std::vector<std::exception_ptr>* errors = nullptr) {
        return clear_idle([this] { return store().stats().idle; },
            [this](std::size_t most, entries& retired) { store().clear(most, retired); }, errors);
    }

    /// Closes the idle connections of one key. Returns how many.
    std::size_t clear(const hashed& key) {
        const Key kept(key.key);  // a close may destroy the object that `key` refers to
        const hashed own{key_view<Key>(kept), key.hash};
        return clear_idle([&] { return store().stats(own).idle; },
            [&](std::size_t most, entries& retired) { store().clear(own, most, retired); });
    }

    /// Makes room in the index by key for so many connections.
    void reserve(std::size_t count) {
        const std::lock_guard guard{lock_};
        store().reserve(count);
    }

    /// Exchanges the capacity policy, and closes the idle connections that exceed the new one. Returns how many.
    std::size_t reconfigure(CapacityPolicy& capacity) {
        step(closing::later, [&](moment&) {
            using std::swap;
            swap(capacity_, capacity);
            was_reconfigured_ = true;
            store().begin_trim();
            admission_.bounds_changed();
        });
        return in_batches([this](moment& now) {
            const auto in_all = [&] { return admission_.idle_allowed(capacity_); };
            const auto per_key = [&](const auto& of) { return admission_.idle_allowed_for(of, capacity_); };
            return store().trim(in_all, per_key, batch, now.retired);
        });
    }

    /// Asks the blocked connections again that callers wait for.
    void look_again() noexcept {
        step(closing::later, [this](moment&) { admission_.begin_look_again(); });
        bool is_all = false;
        while (!is_all)
            step(closing::later, [&](moment& now) { is_all = admission_.look_again(now); });
    }

    /// From now on the pool keeps no connection. Closes the idle connections. Adds errors to `errors`, unless that is
    /// nullptr.
    void close_all(std::vector<std::exception_ptr>* errors) noexcept {
        step(closing::later, [this](moment&) {
            closed_ = true;
            admission_.close();
        });
        clear(errors);
    }

    // Statistics.

    /// The figures of the pool.
    pool::stats stats() const {
        const std::lock_guard guard{lock_};
        pool::stats all = store().stats();
        all.dialing = admission_.dialing();
        all.waiting = admission_.waiting();
        all.overtaken = admission_.overtaken();
        all.total_wait = saturating_cast<std::chrono::nanoseconds>(admission_.total_wait());
        all.longest_wait = saturating_cast<std::chrono::nanoseconds>(admission_.longest_wait());
        return all;
    }

    /// Counts the failed close of a connection that has no entry.
    void close_failed() noexcept {
        const std::lock_guard guard{lock_};
        store().count_failed_close(true);
    }

    /// The figures of one key.
    key_stats stats(const hashed& key) const {
        const std::lock_guard guard{lock_};
        key_stats all = store().stats(key);
        if constexpr (bounds_open) {
            if (const auto* const queue = admission_.find(key)) {
                all.dialing = queue->dialing;
                all.waiting = queue->waiting.size() + queue->closing;
            }
        }
        return all;
    }

protected:
    ~pool_state() override = default;

    using base::admission_, base::capacity_, base::closed_, base::lock_;
    using base::batch, base::close_uncounted, base::expires_at, base::last_step, base::read_clock, base::step, base::store;

    /// Makes an entry for a connection that its caller opens. Strong guarantee.
    entry& make_entry(const hashed& key) {
        const time_point earliest = expires_at(read_clock());
        const std::lock_guard guard{lock_};
        return store().make_entry(key, earliest, admission_.group_of(key));
    }

    /// Constructs a connection in a new entry, from the result of `make(key)`. If that throws, it erases the entry.
    template <class Make>
    entry& construct_in(entry& fresh, const Make& make) {
        try {
            fresh.construct([&]() -> Conn { return make(fresh.key()); });
        } catch (...) {
            const std::lock_guard guard{lock_};
            store().erase_unopened(fresh);
            throw;
        }
        return fresh;
    }

    /// Dials: the same, and a dial that throws is counted. A dial that returns a dead connection has failed, too.
    template <class Dial>
    void dial_into(entry& fresh, Dial& dial, const dial_context& context) {
        try {
            fresh.construct([&]() -> Conn { return core::dial_with<Conn>(dial, fresh.key(), context); });
            if (connection_traits<Conn>::closed(fresh.conn())) [[unlikely]]
                throw core::dead_dial_error(*this, fresh.key(), fresh.conn());
        } catch (...) {
            const bool close_failed = fresh.has_conn() && !core::close_conn(fresh.conn());
            fresh.destroy();
            const std::lock_guard guard{lock_};
            store().count_failed_dial();
            store().count_failed_close(close_failed);
            store().erase_unopened(fresh);
            throw;
        }
    }

    /// Gives a lent entry to a waiting caller, or makes it idle, or retires it if there is no room. `may_exceed`: more
    /// connections may be open than the bounds allow.
    void keep(entry& lent, time_point at, bool may_exceed, moment& now) noexcept {
        if (may_exceed && admission_.is_over_bounds(lent, capacity_)) return store().refuse(lent, now.retired);
        if (!admission_.is_uncontended(lent.of())) return admission_.give_back(lent, at, now);
        const typename store_type::idle_bounds bounds{capacity_.max_idle(), capacity_.max_idle_for(lent.key())};
        store().give_back(lent, bounds, at, base::entry_time(now), now.retired);
    }

    /// Lends an idle connection, unless it is for a caller that waits. Counts a miss, if this is one. If it returns
    /// nullptr, and the batch has ended, look up again.
    entry* look_up(const hashed& key, moment& now) {
        entry* const found = find_idle(key, now);
        if (found == nullptr && !now.is_over()) store().count_lookup_in_vain();
        return found;
    }

    /// The same, but it counts no miss.
    entry* find_idle(const hashed& key, moment& now) {
        group* const of = closed_ ? nullptr : store().find(key);
        if (of == nullptr) return nullptr;
        if (!admission_.is_uncontended(*of)) return admission_.lend(*of, now);
        return store().lend(*of, base::entry_time(now), now.budget, now.retired);
    }

private:
    using base::in_batches;

    /// Repeats a look-up, until it has found a connection, or has looked at all that there are.
    template <class LookUp>
    entry* until_done(const LookUp& look_up) {
        for (;;) {
            entry* found = nullptr;
            bool is_over = false;
            step(closing::later, [&](moment& now) {
                found = look_up(now);
                is_over = now.is_over();
            });
            if (found != nullptr || !is_over) [[likely]] return found;
        }
    }

    /// Retires as many connections as `idle()` reports at first, in batches, by `clear(most, retired)`. So it does not
    /// go on with connections that are given back meanwhile.
    template <class Idle, class Clear>
    std::size_t clear_idle(const Idle& idle, const Clear& clear, std::vector<std::exception_ptr>* errors = nullptr) {
        std::size_t left = no_limit;
        const auto clear_batch = [&](moment& now) {
            left = std::min(left, idle());
            const std::size_t most = std::min(left, batch);
            clear(most, now.retired);
            left -= most;
            return left == 0;
        };
        return in_batches(clear_batch, errors);
    }

    bool was_reconfigured_ = false;  ///< so more may be open than the bounds allow
};

}  // namespace pool::core
