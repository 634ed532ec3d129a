// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <boost/intrusive/list.hpp>

#include <pool/connection.hpp>
#include <pool/connection_state.hpp>
#include <pool/core/entry.hpp>
#include <pool/core/entry_index.hpp>
#include <pool/core/figures.hpp>
#include <pool/core/hashed_key.hpp>
#include <pool/core/idle_groups.hpp>
#include <pool/retirement.hpp>

/// @file
/// The places of entries, and how an entry moves from one to another.

namespace pool::core {

/// The entries of a store, in its index. Each is in one place: with a caller, idle, or with the caller that closes it. A
/// move counts itself, and takes notes of itself. Not thread-safe.
template <class Key, class Conn, class Parts>
class entry_places : public figures<core::entry<Key, Conn, Parts>> {
    using base = figures<core::entry<Key, Conn, Parts>>;

public:
    static_assert(alignof(Conn) <= 128, "pool: a Conn may be aligned to 128 bytes at most");  // by Boost.MultiIndex

    using entry = core::entry<Key, Conn, Parts>;    ///< one connection
    using entries = boost::intrusive::list<entry>;  ///< connections that a caller has to close
    using group = typename entry::group;            ///< what the entries of one key share
    using hashed = hashed_key<Key>;                 ///< what groups are found by
    using time_point = typename Parts::time_point;  ///< the times that it is told

    static constexpr bool timed = Parts::timed;        ///< whether anything expires
    static constexpr bool can_wait = Parts::can_wait;  ///< whether callers may wait

    /// Whether an expiry time has come.
    static bool is_due(time_point at, time_point now) noexcept {
        if constexpr (timed) return at <= now && at != time_point::max();
        else return false;
    }

    /// An event of a group, which its notes had added to the uses of the group, was told.
    void release(group& of) noexcept { index_.release(of); }

protected:
    using place = typename entry::place;
    struct no_groups {};

    using base::base;

    /// Destroys idle and lent connections without closing them.
    ~entry_places() {
        while (!index_.empty()) {
            entry& e = index_.unconst(index_.ordered().front());
            if (e.is_idle()) forget_idle(e);
            index_.erase(e);
        }
    }

    /// Makes a lent entry idle since `now`.
    void link(entry& e, [[maybe_unused]] time_point expires_at, [[maybe_unused]] time_point now) noexcept {
        ++stats_.puts;
        const bool is_unused = e.is_unused();
        --e.group_->lent;
        --stats_.lent;
        index_.move_to_end(e, stats_.idle++ == 0);
        e.group_->idle.push_back(e);
        e.place_ = place::idle;
        if constexpr (Parts::weighed) stats_.idle_weight += e.weight();
        if constexpr (can_wait) {
            e.age = ++last_age_;
            if (!connection_traits<Conn>::unblocked(e.conn())) [[unlikely]]
                change_blocked(e, true);
            idle_groups_.add(*e.group_);
        }
        if constexpr (Parts::has_since)
            if (!is_unused) e.idle_since_ = now;
        if constexpr (Parts::is_tended) e.tending_ = {is_unused ? e.tending_.at : now, ++last_age_};
        if constexpr (timed) {
            e.expiry_.at = expires_at;
            if (e.expiry_.at < e.expiry_.indexed) index_.reindex(e, e.expiry_.at);
        }
        if (notes_ != nullptr) [[unlikely]]
            notes_->idle(e, is_unused, now, expires_at);
    }

    /// An entry without a connection ends.
    void erase(entry& e) noexcept {
        if (notes_ != nullptr) [[unlikely]]
            notes_->end(e);
        index_.erase(e);
    }

    /// Takes an idle entry that is not blocked out of the list.
    void unlink(entry& e) noexcept {
        --stats_.idle;
        if constexpr (Parts::weighed) stats_.idle_weight -= e.weight();
        e.group_->idle.erase(e.group_->idle.iterator_to(e));
    }

    /// The same for any idle entry.
    void forget_idle(entry& e) noexcept {
        if constexpr (can_wait) keep_blocked(e, false);
        unlink(e);
    }

    /// Retires an entry that is idle, or with the pool for a keep-alive.
    void retire_idle(entry& e, retirement why, entries& retired) noexcept {
        retire(e, why, connection_state::idle, retired);
    }
    /// Retires an entry that a caller has.
    void retire_lent(entry& e, retirement why, entries& retired) noexcept {
        retire(e, why, connection_state::lent, retired);
    }
    void retire(entry& e, retirement why, connection_state was, entries& retired) noexcept {
        base::count_retirement(e, why, was);
        move_to(retired, e);
    }

    /// Moves an entry to `retired`, from wherever it is.
    void move_to(entries& retired, entry& e) noexcept {
        group& its = *e.group_;
        const bool was_in_use = its.is_in_use();
        if (e.place_ == place::idle) {
            forget_idle(e);
        } else if (e.is_lent()) {
            --its.lent;
            --stats_.lent;
        }
        stats_.keys -= was_in_use && !its.is_in_use();
        e.place_ = place::closing;
        ++stats_.closing;
        retired.push_back(e);
    }

    /// Retires an entry that comes in, and is not kept.
    [[gnu::noinline]] void retire_coming(entry& e, retirement why, entries& retired) noexcept {
        base::count_put_in_vain(e);
        retire_lent(e, why, retired);
    }

    /// The same for one that has expired.
    [[gnu::noinline]] void retire_due(
        entry& e, [[maybe_unused]] time_point at, [[maybe_unused]] time_point now, entries& retired) noexcept {
        if (notes_ != nullptr) [[unlikely]]
            notes_->expires(e, now, at);
        retire_coming(e, retirement::expired, retired);
    }

    /// Asks an idle connection, and keeps the answer.
    bool is_blocked(entry& e) noexcept {
        const bool blocked = !connection_traits<Conn>::unblocked(e.conn());
        if constexpr (can_wait) keep_blocked(e, blocked);
        return blocked;
    }

    void keep_blocked(entry& e, bool blocked) noexcept
        requires can_wait
    {
        if (blocked != e.blocked_hook::is_linked()) [[unlikely]]
            change_blocked(e, blocked);
    }
    [[gnu::noinline]] static void change_blocked(entry& e, bool blocked) noexcept
        requires can_wait
    {
        if (blocked) e.group_->blocked.push_back(e);
        else e.group_->blocked.erase(e.group_->blocked.iterator_to(e));
    }

    static bool is_due(const entry& e, time_point now) noexcept {
        if constexpr (timed) return is_due(e.expiry_.at, now);
        else return false;
    }

    using base::notes_;
    using base::stats_;

    [[no_unique_address]] std::conditional_t<can_wait, idle_groups<group>, no_groups> idle_groups_;
    entry_index<Key, Conn, Parts> index_;
    std::uint64_t last_age_ = 0;
};

}  // namespace pool::core
