// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include <boost/intrusive/list.hpp>

#include <pool/connection.hpp>
#include <pool/connection_state.hpp>
#include <pool/core/close_end.hpp>
#include <pool/core/entry.hpp>
#include <pool/core/entry_places.hpp>
#include <pool/core/generations.hpp>
#include <pool/core/ghost_rules.hpp>
#include <pool/core/hashed_key.hpp>
#include <pool/core/lending_rules.hpp>
#include <pool/core/saturating.hpp>
#include <pool/retirement.hpp>
#include <pool/settings.hpp>
#include <pool/stats.hpp>

/// @file
/// The rules for connections that are lent and given back. The store has no lock, no clock, no I/O and no policy: time
/// and bounds are arguments. It does not close connections. It adds those that must be closed to the caller's list
/// `retired`. The caller provides the mutual exclusion.

namespace pool::core {

/// All connections of a pool in one container. An entry exists from before its connection opens until it is closed. Its
/// address never changes. It belongs to a caller, is idle, or is being closed.
///
/// `Parts` is an `entry_parts`. Unless entries are `timed`, connections never expire, and there is no index of expiry
/// times. Unless they `can_wait`, nobody waits for connections, and groups have no part for requests. The only foreign
/// code that the store calls is the comparison, copy and destruction of keys, and `closed` and `unblocked` of
/// connections. Not thread-safe.
template <class Key, class Conn, class Parts = entry_parts<>>
class lending_store : public entry_places<Key, Conn, Parts> {
    using base = entry_places<Key, Conn, Parts>;

public:
    using base::can_wait, base::timed;
    using base::is_due;
    using base::stats;
    using typename base::entries;
    using typename base::entry;
    using typename base::group;
    using typename base::hashed;
    using typename base::notes_type;
    using typename base::time_point;

    static constexpr bool needs_time = Parts::needs_time;  ///< whether it has to be told the time

    /// How many connections one give-back evicts at most. It is one for each bound, unless a bound has been lowered.
    static constexpr std::size_t most_evicted = 128;

    /// How many idle connections there may be.
    struct idle_bounds {
        std::size_t in_all;   ///< of all keys
        std::size_t per_key;  ///< of the key of this operation
        std::size_t weight = std::numeric_limits<std::size_t>::max();  ///< of all keys together
    };

    /// Keeps the group of a key alive, even if the key has no entries.
    class kept_group {
    public:
        /// The group of the key's entries, else `known`, else a new one with a copy of the key. Strong guarantee.
        kept_group(lending_store& store, const hashed& key, group* known = nullptr)
            : index_{store.index_},
              group_{index_.use(key, known)} {}

        kept_group(const kept_group&) = delete;
        kept_group& operator=(const kept_group&) = delete;

        ~kept_group() { index_.release(group_); }

        group& operator*() const noexcept { return group_; }    ///< the group
        group* operator->() const noexcept { return &group_; }  ///< the group

    private:
        entry_index<Key, Conn, Parts>& index_;
        group& group_;
    };

    /// An empty store. `taken` are its notes, if any are taken; they must live longer. Throws `std::bad_alloc`.
    explicit lending_store(lending_rules rules = {}, notes_type* taken = nullptr) : base{taken}, rules_{rules} {}

    lending_rules rules() const noexcept { return rules_; }  ///< those that it was made with

    // Adding a connection: the store makes an entry, its caller constructs the connection in it, and then lends or
    // stores it.

    /// Makes an entry, whose caller is about to open a connection in it. When the connection is given back, its expiry
    /// time should not be before `earliest`: if it is, that costs O(log n). `known` is the group of a key that has
    /// requests. Copies a key that is new. Strong guarantee.
    entry& make_entry(const hashed& key, time_point earliest, group* known = nullptr) {
        const kept_group kept{*this, key, known};
        return make_entry(*kept, earliest);
    }

    /// The same, for a group.
    entry& make_entry(group& of, time_point earliest) {
        entry& made = index_.add(of, earliest);
        if (notes_ != nullptr) [[unlikely]]
            begin_notes(made);
        made.forks_ = rules_.forks & entry::most_forks;
        renew(made);
        return made;
    }

    /// The connection of a new entry begins to be opened, for the first time or again.
    void renew(entry& e) noexcept {
        assert(e.place_ == place::opening && "pool: only a new entry can be opened again");
        generations_.renew(e);
        if (notes_ != nullptr) [[unlikely]]
            notes_->began_again(e);
    }

    /// Whether a connection began to be opened before an `invalidate`. Then it must not be lent any more.
    bool is_outdated(const entry& e) const noexcept { return generations_.is_outdated(e); }

    /// Marks a new entry as lent: its connection is open.
    void mark_lent(entry& e, const typename entry::birth& born) noexcept {
        assert(e.place_ == place::opening && "pool: only a new entry can be marked as lent");
        stats_.keys += !e.group_->is_in_use();
        e.place_ = place::lent;
        e.opened_ = born.opened;
        e.worn_ = born.worn;
        if (notes_ != nullptr) [[unlikely]]
            notes_->opened(e);
        ++e.group_->lent;
        ++stats_.lent;
    }

    /// Erases a new entry, because its connection could not be opened.
    void erase_unopened(entry& e) noexcept {
        assert(e.place_ == place::opening && "pool: only a new entry can be without a connection");
        erase(e);
    }

    /// The group of a key's entries, or nullptr. O(1).
    group* find(const hashed& key) const { return index_.find(key); }

    /// Lends an idle connection of a group that can be used at `now`; nullptr if there is none. Skips blocked
    /// connections, which stay idle. Retires the closed and expired connections that it finds on the way, as many as
    /// `most`, which it reduces. If it is 0 then, call it again in another step.
    [[gnu::always_inline]] entry* lend(group& of, time_point now, std::size_t& most, entries& retired) noexcept {
        for (entry* each = first(of); each != nullptr;) {
            entry& e = *each;
            each = after(e);
            if (is_due(e, now)) {
                retire_idle(e, retirement::expired, retired);
            } else if (is_outdated(e)) [[unlikely]] {
                retire_idle(e, retirement::invalidated, retired);
            } else if (connection_traits<Conn>::closed(e.conn())) {
                retire_idle(e, retirement::dead, retired);
            } else if (is_blocked(e)) {
                ++stats_.skipped_blocked;
                continue;
            } else {
                unlink(e);
                e.place_ = place::lent;
                e.reused = true;
                ++of.lent;
                ++stats_.lent;
                lend_idle(e, now);
                return &e;
            }
            if (most == 0 || --most == 0) return nullptr;
        }
        return nullptr;
    }

    /// The same, for a caller that has waited for so long. `caller` says how it came.
    [[gnu::noinline]] entry* lend_after(std::chrono::nanoseconds waited, const comer& caller, group& of, time_point now,
        std::size_t& most, entries& retired) noexcept {
        if (notes_ != nullptr) [[unlikely]]
            notes_->next_has_waited(waited, caller);
        entry* const found = lend(of, now, most, retired);
        if (notes_ != nullptr) [[unlikely]]
            notes_->next_has_waited({});
        return found;
    }

    // How lent connections come back, or leave.

    /// Makes a lent entry idle since `now`, with the expiry time `expires_at`. To make room, retires the oldest entries
    /// of the key while the key is full, then the oldest of all while the pool is full, or too heavy. Retires the entry
    /// itself if a bound is zero, if it is already due, or if there is no room for its weight, even so.
    void give_back(
        entry& e, const idle_bounds& bounds, time_point expires_at, time_point now, entries& retired) noexcept {
        if (bounds.in_all == 0 || bounds.per_key == 0 || e.weight() > bounds.weight)
            return retire_coming(e, retirement::refused, retired);
        if (is_due(expires_at, now)) return retire_due(e, expires_at, now, retired);
        const std::size_t weight = bounds.weight - e.weight();
        trim_to({bounds.in_all - 1, bounds.per_key - 1, weight}, *e.group_, retired);
        if (Parts::weighed && stats_.idle_weight > weight) return retire_coming(e, retirement::refused, retired);
        link(e, expires_at, now);
    }

    /// Retires the oldest entries of a key while it has more than `bounds` allow, then the oldest of all.
    void trim_to(const idle_bounds& bounds, group& its, entries& retired) noexcept {
        std::size_t most = most_evicted;
        for (; its.idle.size() > bounds.per_key && most != 0; --most)
            retire_idle(its.idle.front(), retirement::evicted_for_key, retired);
        for (; most != 0; --most) {
            if (stats_.idle <= bounds.in_all && (!Parts::weighed || stats_.idle_weight <= bounds.weight)) return;
            retire_idle(index_.oldest_idle(), retirement::evicted_for_pool, retired);
        }
    }

    /// Makes a lent entry idle, whatever the bounds: requests wait, and some may need it. Retires it if it is due.
    void give_back(entry& e, time_point expires_at, time_point now, entries& retired) noexcept
        requires can_wait
    {
        if (is_due(expires_at, now)) retire_due(e, expires_at, now, retired);
        else link(e, expires_at, now);
    }

    /// Retires an entry that is given back, or newly opened, and cannot be kept.
    void refuse(entry& e, retirement why, entries& retired) noexcept { retire_coming(e, why, retired); }

    /// Retires an outdated entry that is given back, or that nobody needs when it is open.
    void retire_outdated(entry& e, entries& retired) noexcept { retire_coming(e, retirement::invalidated, retired); }

    /// Retires a lent entry that its caller does not want to give back.
    void discard(entry& e, entries& retired) noexcept { retire_lent(e, retirement::discarded, retired); }

    /// Retires a lent or newly opened entry whose caller never gets it: the pool is closed. No figure counts that.
    void retire_uncounted(entry& e, retirement why, entries& retired) noexcept {
        retire(e, why, e.is_opening() ? connection_state::dialling : connection_state::lent, retired);
    }

    /// Erases a retired entry whose connection has been closed and destroyed.
    void erase_closed(entry& e, const close_end& end) noexcept {
        base::count_close(e, end);
        --stats_.closing;
        erase(e);
    }

    /// The connection of a dial was closed before its caller got it: the dial was outdated, or the pool is closed.
    void count_unneeded_dial(const entry& fresh, const close_end& end) noexcept {
        const auto why = is_outdated(fresh) ? retirement::invalidated : retirement::pool_closed;
        base::count_retirement(fresh, why, connection_state::dialling);
        base::count_close(fresh, end);
    }

    /// The figures of one key.
    key_stats stats(const hashed& key) const {
        const group* const found = index_.find(key);
        return found != nullptr ? key_stats{found->idle.size(), found->lent} : key_stats{};
    }

protected:
    using typename base::place;

    /// Takes notes of a new entry. If there is no memory for that, erases it, and throws.
    [[gnu::noinline]] void begin_notes(entry& made) {
        try {
            notes_->begin(made);
        } catch (...) {
            index_.erase(made);
            throw;
        }
    }

    /// A caller gets an idle entry, or has to check it first.
    void lend_idle([[maybe_unused]] entry& e, [[maybe_unused]] time_point now) noexcept {
        if constexpr (has_check<Conn>) {
            if (saturating_since(e.idle_since_, now) >= rules_.check_after) {
                e.place_ = place::unused;
                return base::count_check(e);
            }
        }
        base::count_hit(e);
    }

    entry* first(group& of) const noexcept {
        if (of.idle.empty()) return nullptr;
        return rules_.reuse == reuse_order::oldest_first ? &of.idle.front() : &of.idle.back();
    }

    /// The entry to look at after `e`, in the order of reuse.
    entry* after(entry& e) const noexcept {
        auto& idle = e.group_->idle;
        auto here = idle.iterator_to(e);
        if (rules_.reuse == reuse_order::oldest_first) return ++here == idle.end() ? nullptr : &*here;
        return here == idle.begin() ? nullptr : &*--here;
    }

    using base::erase;
    using base::index_;
    using base::is_blocked;
    using base::link;
    using base::notes_;
    using base::retire;
    using base::retire_coming;
    using base::retire_due;
    using base::retire_idle;
    using base::retire_lent;
    using base::stats_;
    using base::unlink;

    generations<entry> generations_;
    const lending_rules rules_;
};

}  // namespace pool::core
