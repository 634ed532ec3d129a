// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>

#include <boost/intrusive/list.hpp>

#include <pool/connection.hpp>
#include <pool/core/entry.hpp>
#include <pool/core/entry_index.hpp>
#include <pool/core/hashed_key.hpp>
#include <pool/settings.hpp>
#include <pool/stats.hpp>

/// @file
/// The rules for connections. The store has no lock, no clock, no I/O and no policy: time and bounds are arguments. It
/// does not close connections. It adds those that must be closed to the caller's list `retired`. The caller provides
/// the mutual exclusion.

namespace pool::core {

/// Whether a look-up that finds nothing is counted as a miss.
enum class count_miss : bool {
    no,   ///< not yet: the caller goes on waiting, and is counted at the end of its wait
    yes,  ///< at once
};

/// All connections of a pool in one container. An entry exists from before its connection opens until it is closed. Its
/// address never changes. It belongs to a caller, is idle, or is being closed.
///
/// With `TimePoint = no_time`, connections never expire, and there is no index of expiry times. The only foreign code
/// that the store calls is the comparison, copy and destruction of keys, and `closed` and `unblocked` of connections.
/// Not thread-safe.
template <class Key, class Conn, class TimePoint = no_time>
class entry_store {
public:
    // The limit of Boost.MultiIndex.
    static_assert(alignof(Conn) <= 128, "pool: a Conn may be aligned to 128 bytes at most");

    using entry = core::entry<Key, Conn, TimePoint>;  ///< one connection
    using entries = boost::intrusive::list<entry>;    ///< connections that a caller has to close
    using hashed = hashed_key<Key>;                   ///< what entries are found by

    static constexpr bool timed = entry_index<Key, Conn, TimePoint>::timed;  ///< whether anything expires

    /// How many idle connections there may be.
    struct idle_bounds {
        std::size_t in_all;   ///< of all keys
        std::size_t per_key;  ///< of the key of this operation
    };

    /// Keeps the group of a key alive, even if the key has no entries. Copies the key only if there is no group yet.
    class kept_key {
    public:
        /// Strong guarantee.
        kept_key(entry_store& store, const hashed& key) : index_{store.index_}, group_{index_.use(key)} {}

        kept_key(const kept_key&) = delete;
        kept_key& operator=(const kept_key&) = delete;

        ~kept_key() { index_.release(group_); }

        const Key& key() const noexcept { return group_.key; }                   ///< the key
        entry_store::hashed hashed() const noexcept { return group_.hashed(); }  ///< what it is found by

    private:
        friend entry_store;

        entry_index<Key, Conn, TimePoint>& index_;
        typename entry::group& group_;
    };

    /// An empty store. `reuse` is the order in which `lend` looks at the idle entries of a key.
    explicit entry_store(reuse_order reuse = reuse_order::oldest_first) : reuse_{reuse} {}

    entry_store(const entry_store&) = delete;
    entry_store& operator=(const entry_store&) = delete;

    /// Destroys idle and lent connections without closing them.
    ~entry_store() {
        while (!index_.empty()) {
            entry& e = index_.unconst(index_.ordered().front());
            if (e.is_idle()) unlink(e);
            index_.erase(e);
        }
    }

    // Adding a connection: the store makes an entry, its caller constructs the connection in it, and then lends or
    // stores it.

    /// Makes an entry, whose caller is about to open a connection in it. When the connection is given back, its expiry
    /// time must not be before `earliest`. Copies a key that is new. Strong guarantee.
    entry& make_entry(const hashed& key, TimePoint earliest) {
        const kept_key kept{*this, key};
        return index_.add(kept.group_, earliest);
    }

    /// Marks a new entry as lent: its connection is open.
    void mark_lent(entry& e) noexcept {
        assert(e.place_ == place::opening && "pool: only a new entry can be marked as lent");
        stats_.keys += !e.group_->is_in_use();
        e.place_ = place::lent;
        ++e.group_->lent;
        ++stats_.lent;
    }

    /// Erases a new entry, because its connection could not be opened.
    void erase_unopened(entry& e) noexcept {
        assert(e.place_ == place::opening && "pool: only a new entry can be without a connection");
        index_.erase(e);
    }

    /// Finds an idle connection that can be used at `now`, and lends it; nullptr if there is none. Skips blocked
    /// connections, which stay idle. Retires the closed and expired connections that it finds on the way.
    entry* lend(const hashed& key, TimePoint now, entries& retired, count_miss count = count_miss::yes) {
        if (group* const found = index_.find(key)) {
            for (entry* each = first(*found); each != nullptr;) {
                entry& e = *each;
                each = after(e);
                if (is_due(e, now)) {
                    retire(e, stats_.expired, retired);
                } else if (connection_traits<Conn>::closed(e.conn())) {
                    retire(e, stats_.found_closed, retired);
                } else if (!connection_traits<Conn>::unblocked(e.conn())) {
                    ++stats_.skipped_blocked;
                } else {
                    unlink(e);
                    e.place_ = place::lent;
                    e.reused = true;
                    ++found->lent;
                    ++stats_.lent;
                    ++stats_.hits;
                    return &e;
                }
            }
        }
        if (count == count_miss::yes) ++stats_.misses;
        return nullptr;
    }

    // How lent connections come back, or leave.

    /// Makes a lent entry idle, with the expiry time `expires_at`. To make room, retires the oldest entries of the key
    /// while the key is full, then the oldest of all while the pool is full. Retires the entry itself if a bound is
    /// zero, or if it is already due.
    void give_back(
        entry& e, const idle_bounds& bounds, TimePoint expires_at, TimePoint now, entries& retired) noexcept {
        ++stats_.puts;
        if (bounds.in_all == 0 || bounds.per_key == 0) return retire(e, stats_.refused, retired);
        if (is_due(expires_at, now)) return retire(e, stats_.expired, retired);

        group& its = *e.group_;
        while (its.idle.size() >= bounds.per_key) retire(its.idle.front(), stats_.evicted, retired);
        while (stats_.idle >= bounds.in_all) retire(index_.oldest_idle(), stats_.evicted, retired);
        link(e, expires_at);
    }

    /// Makes a lent entry idle, then calls `serve(retired)`, which may lend or retire it as any other. After that, it
    /// enforces the bounds by the same rule.
    template <class Serve>
    void give_back(entry& e, const idle_bounds& bounds, TimePoint expires_at, TimePoint now, entries& retired,
        const Serve& serve) noexcept {
        ++stats_.puts;
        if (is_due(expires_at, now)) return retire(e, stats_.expired, retired);

        link(e, expires_at);
        serve(retired);
        group& its = *e.group_;
        while (its.idle.size() > bounds.per_key) retire(its.idle.front(), stats_.evicted, retired);
        while (stats_.idle > bounds.in_all) retire(index_.oldest_idle(), stats_.evicted, retired);
    }

    /// Retires an entry that is given back, or newly opened, and cannot be kept.
    void refuse(entry& e, entries& retired) noexcept {
        ++stats_.puts;
        retire(e, stats_.refused, retired);
    }

    /// Retires a lent entry that its caller does not want to give back.
    void discard(entry& e, entries& retired) noexcept { retire(e, stats_.discarded, retired); }

    /// Retires a lent or newly opened entry without counting it, because its caller never gets it.
    void retire_uncounted(entry& e, entries& retired) noexcept {
        std::uint64_t uncounted = 0;
        retire(e, uncounted, retired);
    }

    /// Erases a lent entry whose caller has moved the connection out and destroyed the rest, for `detach`.
    void erase_detached(entry& e) noexcept {
        ++stats_.detached;
        erase_taken(e);
    }

    /// The same, for `take`.
    void erase_taken(entry& e) noexcept {
        --e.group_->lent;
        --stats_.lent;
        stats_.keys -= !e.group_->is_in_use();
        index_.erase(e);
    }

    /// Erases retired entries whose connections have been closed and destroyed. `failed` is the number of closes that
    /// threw.
    void erase_closed(entries& closed, std::uint64_t failed) noexcept {
        stats_.failed_closes += failed;
        stats_.closing -= closed.size();
        while (!closed.empty()) {
            entry& e = closed.front();
            closed.pop_front();
            index_.erase(e);
        }
    }

    // Operations on idle connections. A long operation makes at most `most` steps, so that its caller can release the
    // lock in between.

    /// Retires the oldest idle entry of another key than `key`. Returns whether there was one. O(1), but it skips older
    /// entries of `key`, and entries that are not idle.
    bool make_room(const hashed& key, entries& retired) noexcept {
        if (stats_.idle == 0) return false;
        for (auto next = index_.position(index_.oldest_idle()); next != index_.ordered().end(); ++next) {
            entry& e = index_.unconst(*next);
            if (!e.is_idle() || key.equals(e.key(), e.group_->hash)) continue;
            retire(e, stats_.evicted, retired);
            return true;
        }
        return false;
    }

    /// The expiry time of the idle entry that expires first, or max(). Returns none if `most` steps were not enough:
    /// call it again. Each step is O(log n).
    std::optional<TimePoint> next_expiry(std::size_t most) noexcept
        requires timed
    {
        // Giving back updates only `at`. Re-index the front until its indexed time equals `at`: it is then the
        // earliest, because indexed times are lower bounds.
        for (; !index_.empty(); --most) {
            entry& front = index_.unconst(*index_.dated().begin());
            if (front.expiry_.indexed == front.expiry_.at) return front.expiry_.at;
            if (most == 0) return std::nullopt;
            index_.reindex(front);
        }
        return TimePoint::max();
    }

    /// Retires the entries that are due at `now`, the earliest first. Returns whether it has retired all of them. Each
    /// step is O(log n).
    bool expire(TimePoint now, std::size_t most, entries& retired) noexcept
        requires timed
    {
        for (auto next = index_.dated().begin(); next != index_.dated().end(); --most) {
            entry& e = index_.unconst(*next);
            const TimePoint indexed = e.expiry_.indexed;
            if (!is_due(indexed, now)) break;
            if (most == 0) return false;
            ++next;
            if (indexed == e.expiry_.at) {
                retire(e, stats_.expired, retired);
            } else {
                index_.reindex(e);
                const bool is_next = next == index_.dated().end() || e.expiry_.indexed < next->expiry_.indexed;
                if (is_next) next = index_.dated().iterator_to(e);
            }
        }
        return true;
    }

    /// Retires idle entries, the oldest first. Each step is O(1).
    void clear(std::size_t most, entries& retired) noexcept {
        for (; most != 0 && stats_.idle != 0; --most) retire(index_.oldest_idle(), stats_.cleared, retired);
    }

    /// Retires idle entries of a key, the oldest first. Each step is O(1).
    void clear(const hashed& key, std::size_t most, entries& retired) {
        if (group* const found = index_.find(key)) {
            for (; most != 0 && !found->idle.empty(); --most) retire(found->idle.front(), stats_.cleared, retired);
        }
    }

    /// Retires the idle entries that exceed new bounds, by the rule of `give_back`. `per_key(entry)` is the bound of
    /// its key. O(n).
    template <class PerKey>
    void trim(std::size_t in_all, const PerKey& per_key, entries& retired) noexcept {
        for (auto next = index_.oldest_position(); next != index_.ordered().end();) {
            entry& e = index_.unconst(*next++);
            if (e.is_idle() && e.group_->idle.size() > per_key(e)) retire(e, stats_.evicted, retired);
        }
        while (stats_.idle > in_all) retire(index_.oldest_idle(), stats_.evicted, retired);
    }

    /// Throws `std::length_error` if no memory could hold so many entries.
    static void check_room(std::size_t count) {
        constexpr std::size_t most = std::numeric_limits<std::ptrdiff_t>::max() / sizeof(entry);
        if (count > most) {
            throw std::length_error{"pool: cannot reserve room for " + std::to_string(count) + " connections: " +
                                    std::to_string(most) + " are the most that memory can hold"};
        }
    }

    /// Makes room in the hashed index, which then need not grow until there are more entries than `count`. Throws as
    /// `check_room`, and `std::bad_alloc`. Strong guarantee.
    void reserve(std::size_t count) {
        check_room(count);
        index_.reserve(count);
    }

    // The statistics. These functions count the events that happen outside the store.

    void count_lookup_in_vain() noexcept { ++stats_.misses; }     ///< a look-up ended without a connection of the store
    void count_dial() noexcept { ++stats_.dials; }                ///< a dial was made
    void count_failed_dial() noexcept { ++stats_.failed_dials; }  ///< a dial threw

    const pool::stats& stats() const noexcept { return stats_; }  ///< of all keys

    /// The figures of one key.
    key_stats stats(const hashed& key) const {
        const group* const found = index_.find(key);
        return found != nullptr ? key_stats{found->idle.size(), found->lent} : key_stats{};
    }

    /// The figures of an entry's key.
    key_stats stats(const entry& known) const noexcept { return {known.group_->idle.size(), known.group_->lent}; }

private:
    using group = typename entry::group;
    using place = typename entry::place;

    void link(entry& e, [[maybe_unused]] TimePoint expires_at) noexcept {
        --e.group_->lent;
        --stats_.lent;
        index_.move_to_end(e, stats_.idle++ == 0);
        e.group_->idle.push_back(e);
        e.place_ = place::idle;
        if constexpr (timed) {
            e.expiry_.at = expires_at;
            if (expires_at < e.expiry_.indexed) index_.reindex(e);
        }
    }

    void unlink(entry& e) noexcept {
        --stats_.idle;
        e.group_->idle.erase(e.group_->idle.iterator_to(e));
        if constexpr (timed) e.expiry_.at = TimePoint::max();
    }

    /// Moves an entry to `retired`, from wherever it is. `reason` is the figure that counts it.
    void retire(entry& e, std::uint64_t& reason, entries& retired) noexcept {
        ++reason;
        group& its = *e.group_;
        const bool was_in_use = its.is_in_use();
        if (e.place_ == place::idle) {
            unlink(e);
        } else if (e.place_ == place::lent) {
            --its.lent;
            --stats_.lent;
        }
        stats_.keys -= was_in_use && !its.is_in_use();
        e.place_ = place::closing;
        ++stats_.closing;
        retired.push_back(e);
    }

    static bool is_due(TimePoint at, TimePoint now) noexcept {
        if constexpr (timed) return at <= now && at != TimePoint::max();
        else return false;
    }
    static bool is_due(const entry& e, TimePoint now) noexcept {
        if constexpr (timed) return is_due(e.expiry_.at, now);
        else return false;
    }

    entry* first(group& of) const noexcept {
        if (of.idle.empty()) return nullptr;
        return reuse_ == reuse_order::oldest_first ? &of.idle.front() : &of.idle.back();
    }

    /// The entry to look at after `e`, in the order of reuse.
    entry* after(entry& e) const noexcept {
        auto& idle = e.group_->idle;
        auto here = idle.iterator_to(e);
        if (reuse_ == reuse_order::oldest_first) return ++here == idle.end() ? nullptr : &*here;
        return here == idle.begin() ? nullptr : &*--here;
    }

    entry_index<Key, Conn, TimePoint> index_;
    pool::stats stats_;
    const reuse_order reuse_;
};

}  // namespace pool::core
