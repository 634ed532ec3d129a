// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pool/connection.hpp>
#include <pool/core/acquire_errors.hpp>
#include <pool/core/dial_with.hpp>
#include <pool/core/guarded_store.hpp>
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
    using typename base::entries;
    using typename base::entry;
    using typename base::hashed;
    using typename base::store_type;
    using typename base::time_point;

    /// An empty state.
    pool_state(CapacityPolicy capacity, ExpiryPolicy expiry, pool_settings settings, ClockPolicy clock)
        : base{std::move(capacity), std::move(expiry), std::move(settings), std::move(clock)} {}

    // Lending.

    /// Lends an idle connection; nullptr if there is none.
    entry* lend(const hashed& key) {
        entry* found = nullptr;
        step([&, now = read_clock()](entries& retired) { found = lend_unclaimed(key, now, retired); });
        return found;
    }

    /// Lends an idle connection, or dials a new one. Throws what `dial` throws, and `pool_closed`.
    template <class Dial>
    entry& acquire(const hashed& key, Dial& dial, const dial_context& context)
        requires(!bounds_open)
    {
        entry* found = nullptr;
        entry* fresh = nullptr;
        const time_point now = read_clock();
        const time_point earliest = expires_at(now);
        step([&](entries& retired) {
            found = lend_unclaimed(key, now, retired);
            // This must be in the same step: a close after the step may destroy the object that `key` refers to.
            if (found == nullptr && !closed_) fresh = &store().make_entry(key, earliest);
        });
        if (found != nullptr) return *found;
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
            last_removal([&] { store().erase_taken(*found); });
        }
        return taken;
    }

    // Opening.

    /// Makes an entry, and constructs a connection in it from the result of `make(key)`. The caller owns the entry
    /// until it lends, stores or erases it. Strong guarantee.
    template <class Make>
    entry& make_entry_with(const hashed& key, const Make& make) {
        entry& fresh = make_entry(key);
        try {
            fresh.construct([&]() -> Conn { return make(fresh.key()); });
        } catch (...) {
            const std::lock_guard guard{lock_};
            store().erase_unopened(fresh);
            throw;
        }
        return fresh;
    }

    /// Adds a connection, as idle. `key` may refer to a part of it. Strong guarantee.
    void put(const hashed& key, Conn&& conn) {
        entry& fresh = make_entry_with(key, [&](const Key&) -> Conn { return std::move(conn); });
        const bool dead = connection_traits<Conn>::closed(fresh.conn());
        const time_point now = read_clock();
        const time_point at = expires_at(now);
        step([&](entries& retired) {
            if (dead || closed_) {
                store().refuse(fresh, retired);
            } else {
                store().mark_lent(fresh);
                keep(fresh, at, now, retired);
            }
        });
    }

    // Giving back.

    /// Makes a lent connection idle, or closes it if there is no room for it.
    void give_back(entry& lent) noexcept {
        const bool dead = connection_traits<Conn>::closed(lent.conn());
        const time_point now = read_clock();
        const time_point at = expires_at(now);
        step([&](entries& retired) {
            if (dead || closed_) store().refuse(lent, retired);
            else keep(lent, at, now, retired);
        });
    }

    /// Closes a lent connection.
    void discard(entry& lent) noexcept {
        step([&](entries& retired) { store().discard(lent, retired); });
    }

    /// Erases the entry of a connection that the caller has moved out.
    void detach(entry& lent) noexcept {
        lent.destroy();
        last_removal([&] { store().erase_detached(lent); });
    }

    // Operations on idle connections.

    /// Closes the expired connections. Returns how many.
    std::size_t expire()
        requires timed
    {
        return in_batches([this, now = read_clock()](entries& retired) { return store().expire(now, batch, retired); });
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
        return step([&](entries& retired) {
            using std::swap;
            swap(capacity_, capacity);
            const auto per_key = [this](const entry& e) noexcept { return admission_.max_idle_for(e, capacity_); };
            store().trim(admission_.max_idle(capacity_), per_key, retired);
        });
    }

    /// From now on the pool keeps no connection. Closes the idle connections. Adds errors to `errors`, unless that is
    /// nullptr.
    void close_all(std::vector<std::exception_ptr>* errors) noexcept {
        step([this](entries&) {
            closed_ = true;
            admission_.refuse_all();
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
        return all;
    }

    /// The figures of one key.
    key_stats stats(const hashed& key) const {
        const std::lock_guard guard{lock_};
        key_stats all = store().stats(key);
        all.dialing = admission_.dialing(key);
        all.waiting = admission_.waiting(key);
        return all;
    }

protected:
    ~pool_state() override = default;

    using base::admission_;
    using base::batch;
    using base::capacity_;
    using base::close_uncounted;
    using base::closed_;
    using base::expires_at;
    using base::lock_;
    using base::read_clock;
    using base::step;
    using base::store;

    /// Makes an entry for a connection that its caller opens. Strong guarantee.
    entry& make_entry(const hashed& key) {
        const time_point earliest = expires_at(read_clock());
        const std::lock_guard guard{lock_};
        return store().make_entry(key, earliest);
    }

    /// Dials: constructs the connection inside a new entry. If the dial throws, it erases the entry.
    template <class Dial>
    void dial_into(entry& fresh, Dial& dial, const dial_context& context) {
        try {
            fresh.construct([&]() -> Conn { return core::dial_with<Conn>(dial, fresh.key(), context); });
        } catch (...) {
            const std::lock_guard guard{lock_};
            store().count_failed_dial();
            store().erase_unopened(fresh);
            throw;
        }
    }

    /// Gives a lent entry to a waiting caller, or makes it idle, or retires it if there is no room.
    void keep(entry& lent, time_point at, time_point now, entries& retired) noexcept {
        if (admission_.is_over_bounds(lent, capacity_)) return store().refuse(lent, retired);
        const typename store_type::idle_bounds bounds{capacity_.max_idle(), capacity_.max_idle_for(lent.key())};
        if (admission_.empty()) return store().give_back(lent, bounds, at, now, retired);
        store().give_back(lent, bounds, at, now, retired, [this, now](entries& more) { this->serve(now, more); });
    }

    /// Lends an idle connection, unless a waiting caller needs it.
    entry* lend_unclaimed(const hashed& key, time_point now, entries& retired) {
        bool is_unavailable = closed_;  // the idle connections are about to be closed
        if (!is_unavailable && !admission_.empty()) {
            this->serve(now, retired);
            is_unavailable = admission_.is_wanted(key);
        }
        if (!is_unavailable) [[likely]] return store().lend(key, now, retired);
        store().count_lookup_in_vain();
        return nullptr;
    }

private:
    using base::in_batches;

    /// Calls `erase`, which removes an entry without a connection. Deletes this state if nothing needs it any more.
    template <class Erase>
    void last_removal(const Erase& erase) noexcept {
        entries retired;
        this->last_step(retired, erase);
        if (!retired.empty()) this->close_retired(retired, nullptr);
    }

    /// Retires as many connections as `idle()` reports at first, in batches, by `clear(most, retired)`. So it does not
    /// go on with connections that are given back meanwhile.
    template <class Idle, class Clear>
    std::size_t clear_idle(
        const Idle& idle, const Clear& clear, std::vector<std::exception_ptr>* errors = nullptr) {
        std::size_t left = no_limit;
        return in_batches([&](entries& retired) {
            left = std::min(left, idle());
            const std::size_t most = std::min(left, batch);
            clear(most, retired);
            left -= most;
            return left == 0;
        }, errors);
    }
};

}  // namespace pool::core
