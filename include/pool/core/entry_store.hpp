// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>

#include <pool/connection.hpp>
#include <pool/core/lending_store.hpp>
#include <pool/retirement.hpp>

/// @file
/// The store of a pool: connections are lent and given back, and idle ones are swept.

namespace pool::core {

/// A store whose idle connections can expire, or be cleared. A long operation makes at most `most` steps, so that its
/// caller can release the lock in between. Not thread-safe.
template <class Key, class Conn, class Parts = entry_parts<>>
class entry_store : public lending_store<Key, Conn, Parts> {
    using base = lending_store<Key, Conn, Parts>;

public:
    using base::base;
    using base::is_due;
    using base::timed;
    using typename base::entries;
    using typename base::entry;
    using typename base::group;
    using typename base::hashed;
    using typename base::time_point;

    // The index of expiry times has a lower bound for each entry. If the entry is idle, that is a bound of its expiry
    // time. Giving back sets only `at`, if that is not below the bound. Otherwise the entry is not idle, and it is a bound
    // of the time that it will get when it is given back. `bound(entry)` is such a bound at this moment. It is max() for
    // an entry that need not be looked at before it is idle.

    /// No entry expires before this time: neither one that is idle, nor one that is not, as far as `bound` says. It is the
    /// greatest such time. Returns none if `most` steps were not enough: call it again. Each step is O(log n).
    template <class Bound>
    std::optional<time_point> next_expiry(std::size_t most, const Bound& bound) noexcept
        requires timed
    {
        // Re-index the front until it is where it belongs: it is then the earliest.
        for (; !index_.empty(); --most) {
            entry& front = index_.unconst(*index_.dated().begin());
            const time_point at = front.is_idle() ? front.expiry_.at : bound(front);
            if (front.expiry_.indexed == at) return at;
            if (most == 0) return std::nullopt;
            index_.reindex(front, at);
        }
        return time_point::max();
    }

    /// Retires the entries that are due at `now`, the earliest first. Returns whether it has retired all of them. Each
    /// step is O(log n).
    template <class Bound>
    bool expire(time_point now, std::size_t most, const Bound& bound, entries& retired) noexcept
        requires timed
    {
        for (auto next = index_.dated().begin(); next != index_.dated().end(); --most) {
            entry& e = index_.unconst(*next);
            const time_point indexed = e.expiry_.indexed;
            if (!is_due(indexed, now)) break;
            if (most == 0) return false;
            ++next;
            const time_point at = e.is_idle() ? e.expiry_.at : bound(e);
            if (e.is_idle() && indexed == at) {
                retire_idle(e, retirement::expired, retired);
            } else {
                index_.reindex(e, at);
                const bool is_next = next == index_.dated().end() || e.expiry_.indexed < next->expiry_.indexed;
                if (is_next) next = index_.dated().iterator_to(e);
            }
        }
        return true;
    }

    /// At `now`, lowers the expiry time of an idle entry to `at`, or the bound of another entry, if that was later. O(log n).
    void lower(entry& e, time_point at, time_point now) noexcept
        requires timed
    {
        if (e.is_idle()) {
            if (notes_ != nullptr && at < e.expiry_.at) notes_->expires(e, now, at);
            e.expiry_.at = at = std::min(e.expiry_.at, at);
        }
        if (at < e.expiry_.indexed) index_.reindex(e, at);
    }

    /// Retires idle entries, the oldest first. Each step is O(1).
    void clear(retirement why, std::size_t most, entries& retired) noexcept {
        if (notes_ != nullptr) notes_->ghosts.clear();
        for (; most != 0 && stats_.idle != 0; --most) retire_idle(index_.oldest_idle(), why, retired);
    }

    /// Retires idle entries of a key, the oldest first. Each step is O(1).
    void clear(const hashed& key, std::size_t most, entries& retired) {
        if (notes_ != nullptr) notes_->ghosts.clear(key.hash);
        if (group* const found = index_.find(key)) {
            for (; most != 0 && !found->idle.empty(); --most)
                retire_idle(found->idle.front(), retirement::cleared, retired);
        }
    }

    // Invalidation.

    /// From now on, all connections are outdated that are open, or being opened: they are not lent any more. Idle ones
    /// are to be retired by `clear_outdated`.
    void invalidate() noexcept {
        if (notes_ != nullptr) notes_->ghosts.clear();
        generations_.invalidate(index_.ordered());
    }

    /// The same for those of a key.
    void invalidate(const hashed& key) {
        if (notes_ != nullptr) notes_->ghosts.clear(key.hash);
        if (group* const found = index_.find(key)) generations_.invalidate(*found, index_.ordered());
    }

    /// Retires idle entries that are outdated, the oldest first. They are older than all others. Returns whether these
    /// were all. Each step is O(1).
    bool clear_outdated(std::size_t most, entries& retired) noexcept {
        for (; stats_.idle != 0 && base::is_outdated(index_.oldest_idle()); --most) {
            if (most == 0) return false;
            retire_idle(index_.oldest_idle(), retirement::invalidated, retired);
        }
        return true;
    }

    /// The same for those of a key.
    bool clear_outdated(const hashed& key, std::size_t most, entries& retired) {
        group* const found = index_.find(key);
        for (; found != nullptr && !found->idle.empty() && base::is_outdated(found->idle.front()); --most) {
            if (most == 0) return false;
            retire_idle(found->idle.front(), retirement::invalidated, retired);
        }
        return true;
    }

    /// Begins to go through all idle entries: `sweep` goes on. Two threads may sweep at once: they share the work.
    /// `visits_all` is whether it is to visit the entries that are not idle, too.
    void begin_sweep(bool visits_all = false) noexcept { index_.begin(sweep_, visits_all); }

    /// Looks at `most` entries at most. Retires those that are dead, or exceed the bound of their key, and then, at its
    /// end, those that exceed the bounds of all, by the rule of `give_back`. `per_key(group)`, `in_all()` and `weight` are
    /// the bounds. Calls `visit(entry)` for each entry that it looks at. Returns whether it is done. Each step is O(1), and
    /// a visit.
    template <class InAll, class PerKey, class Visit>
    bool sweep(const InAll& in_all, const PerKey& per_key, const Visit& visit, std::size_t most, entries& retired,
        std::size_t weight = std::numeric_limits<std::size_t>::max()) noexcept {
        for (;; --most) {
            if (most == 0) return false;
            entry* const next = index_.next(sweep_);
            if (next == nullptr) break;
            visit(*next);
            if (!next->is_idle()) continue;
            if (connection_traits<Conn>::closed(next->conn())) {
                retire_idle(*next, retirement::dead, retired);
                continue;
            }
            group& its = *next->group_;
            if (its.idle.size() > per_key(its)) retire_idle(its.idle.front(), retirement::evicted_for_key, retired);
        }
        for (; stats_.idle > in_all() || stats_.idle_weight > weight; --most) {
            if (most == 0) return false;
            retire_idle(index_.oldest_idle(), retirement::evicted_for_pool, retired);
        }
        return true;
    }

    /// Asks the blocked connections of a group again. Retires those that are still blocked, but closed or expired. O(n)
    /// in the blocked ones.
    void look_again(group& of, time_point now, entries& retired) noexcept
        requires base::can_wait
    {
        for (auto next = of.blocked.begin(); next != of.blocked.end();) {
            entry& e = *next++;
            if (!this->is_blocked(e)) continue;
            if (base::is_due(e, now)) retire_idle(e, retirement::expired, retired);
            else if (connection_traits<Conn>::closed(e.conn())) retire_idle(e, retirement::dead, retired);
        }
    }

    // Making room for a caller of another key.

    /// Retires an idle entry of a group that no nudged request is to take: there has to be one.
    void evict(group& of, retirement why, entries& retired) noexcept
        requires base::can_wait
    {
        retire_idle(of.spare(), why, retired);
    }

    /// The group with the oldest idle entry, of those with one that no nudged request is to take, but not
    /// `other_than`; nullptr if there is none, or if `most` steps were not enough. Reduces `most` by its steps. Each is
    /// O(log n).
    group* oldest_spare(const group* other_than, std::size_t& most) noexcept
        requires base::can_wait
    {
        return stats_.idle != 0 ? idle_groups_.oldest(other_than, most) : nullptr;
    }

    /// Tells it that fewer requests than before are to take idle entries of a group.
    void add_spare(group& of) noexcept
        requires base::can_wait
    {
        if (!of.idle.empty()) idle_groups_.add(of);
    }

    /// Erases a lent entry whose caller has moved the connection out and destroyed the rest, for `detach`.
    void erase_detached(entry& e) noexcept {
        erase_taken(e, retirement::detached);
    }

    /// The same, for `take`.
    void erase_taken(entry& e, retirement why = retirement::taken) noexcept {
        this->count_retirement(e, why, connection_state::lent);
        --e.group_->lent;
        --stats_.lent;
        stats_.keys -= !e.group_->is_in_use();
        base::erase(e);
    }

    // Hooks.

    /// A connection that was lent has passed its health check.
    void passed_check(entry& e) noexcept {
        e.place_ = place::lent;
        this->count_checked_hit(e);
    }

    /// A connection that was lent comes back without its check, because its caller has left.
    void left_unchecked(const entry& e) noexcept { this->count_checked_hit(e); }

    /// Retires a connection that was lent, and cannot be used: it has failed its check, or its caller wants a fresh
    /// one.
    void retire_unusable(entry& e, entries& retired) noexcept {
        const bool is_checked = e.is_unused();
        stats_.checking -= is_checked;
        retire_lent(e, is_checked ? retirement::unhealthy : retirement::discarded, retired);
    }

    /// Retires a lent entry, because its reset has failed.
    void retire_unreset(entry& e, entries& retired) noexcept { retire_lent(e, retirement::reset_failed, retired); }

    // Keeping idle entries alive. One that is kept alive is lent meanwhile, but keeps its place and its idle time.

    /// Begins to go through all idle entries: `next_to_tend` goes on.
    void begin_tending() noexcept
        requires Parts::is_tended
    {
        index_.begin(tending_, false);
    }

    /// Lends the next idle entry that was last kept alive, or used, at `before` or earlier. Skips those that are
    /// blocked or dead. Lowers `next` to the time of the oldest of the others. Reduces `most` by one for each that it
    /// looks at; if it is 0 then, call it again.
    entry* next_to_tend(time_point before, time_point& next, std::size_t& most) noexcept
        requires Parts::is_tended
    {
        while (entry* const each = most != 0 ? index_.next(tending_) : nullptr) {
            --most;
            if (!each->is_idle() || connection_traits<Conn>::closed(each->conn()) || this->is_blocked(*each)) continue;
            if (each->tending_.at > before) {
                next = std::min(next, each->tending_.at);
                continue;
            }
            this->unlink(*each);
            each->place_ = place::unused;
            ++each->group_->lent;
            ++stats_.lent;
            ++stats_.checking;
            return each;
        }
        return nullptr;
    }

    /// Makes it idle again, where it was, with the expiry time that it had, or `latest`, if that is earlier: the expiry
    /// policy may be new. Retires it if it is due by now.
    void put_back(entry& e, time_point now, [[maybe_unused]] time_point latest, [[maybe_unused]] entries& retired) noexcept
        requires Parts::is_tended
    {
        ++stats_.kept_alive;
        --stats_.checking;
        link_again(e);
        e.tending_.at = now;
        if (notes_ != nullptr) notes_->kept_alive(e);
        if constexpr (timed) {
            lower(e, latest, now);
            if (base::is_due(e, now)) retire_idle(e, retirement::expired, retired);
        }
    }

    /// Retires it. `is_alive` is false if its keep-alive has failed. Otherwise the pool is closed, or it is outdated, or
    /// there is no more room for it.
    void retire_tended(entry& kept, bool is_alive, bool is_closed, entries& retired) noexcept
        requires Parts::is_tended
    {
        --stats_.checking;
        const auto why_open = base::is_outdated(kept) ? retirement::invalidated : retirement::evicted_for_pool;
        const auto why_alive = is_closed ? retirement::pool_closed : why_open;
        retire_idle(kept, is_alive ? why_alive : retirement::keep_alive_failed, retired);
    }

    /// Throws `std::length_error` if no memory could hold so many entries.
    static void check_room(std::size_t count) {
        constexpr std::size_t most = std::numeric_limits<std::ptrdiff_t>::max() / sizeof(entry);
        if (count > most) {
            throw std::length_error{"pool: cannot reserve room for " + std::to_string(count) +
                                    " connections: " + std::to_string(most) + " are the most that memory can hold"};
        }
    }

    /// Makes room in the hashed index, which then need not grow until there are more entries than `count`. Throws as
    /// `check_room`, and `std::bad_alloc`. Strong guarantee.
    void reserve(std::size_t count) {
        check_room(count);
        index_.reserve(count);
        if (notes_ != nullptr) notes_->reserve(count);
    }

    /// Calls `visit` for each connection that is idle or lent, but not for one that is being moved out. O(n).
    template <class Visit>
    void for_each_conn(const Visit& visit) {
        for (const entry& each : index_.ordered())
            if ((each.is_idle() || each.is_lent()) && each.has_conn()) visit(index_.unconst(each).conn());
    }

    using walk = typename entry_index<Key, Conn, Parts>::walk;  ///< a way through the entries

    /// Looks at entries, in order, `most` at most: calls `visit(entry)` for each. Returns whether these were all. Each step
    /// is O(1), and a visit.
    template <class Visit>
    bool look_at(walk& way, std::size_t most, const Visit& visit) {
        for (; most != 0; --most) {
            const entry* const next = index_.next(way);
            if (next == nullptr) return true;
            visit(*next);
        }
        return false;
    }
    void begin(walk& way) noexcept { index_.begin(way, true); }         ///< `look_at` begins with the first entry
    std::size_t size() const noexcept { return index_.size(); }         ///< the number of entries

private:
    using base::can_wait;
    using base::generations_;
    using base::idle_groups_;
    using base::index_;
    using base::retire_idle;
    using base::retire_lent;
    using base::notes_;
    using base::stats_;
    using typename base::place;

    /// Makes a lent entry idle again, at the place that it had: for a keep-alive. O(n) in the idle entries of its key
    /// that are older.
    void link_again(entry& e) noexcept
        requires Parts::is_tended
    {
        group& its = *e.group_;
        --its.lent;
        --stats_.lent;
        ++stats_.idle;
        if constexpr (Parts::weighed) stats_.idle_weight += e.weight();
        auto next = its.idle.begin();
        while (next != its.idle.end() && next->tending_.order < e.tending_.order) ++next;
        its.idle.insert(next, e);
        e.place_ = place::idle;
        index_.is_idle_again(e);
        if constexpr (can_wait) {
            if (!connection_traits<Conn>::unblocked(e.conn())) this->change_blocked(e, true);
            this->idle_groups_.add_again(its);
        }
    }

    struct no_walk {};

    walk sweep_;  ///< that of all sweeps
    [[no_unique_address]] std::conditional_t<Parts::is_tended, walk, no_walk> tending_;  ///< that of all keep-alives
};

}  // namespace pool::core
