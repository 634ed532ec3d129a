// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <type_traits>
#include <utility>

#include <boost/multi_index/hashed_index.hpp>
#include <boost/multi_index/mem_fun.hpp>
#include <boost/multi_index/ordered_index.hpp>
#include <boost/multi_index/sequenced_index.hpp>
#include <boost/multi_index/tag.hpp>
#include <boost/multi_index_container.hpp>

#include <pool/core/connection.hpp>
#include <pool/core/entry.hpp>
#include <pool/core/key.hpp>
#include <pool/core/stats.hpp>

/// @file
/// The container and its rules. It is pure: no lock, no clock, no I/O, no policy. Time and bounds are arguments, and what
/// has to be closed goes to a list of the caller's, `retired`, because a store cannot close. Whoever calls it provides the
/// exclusion.

namespace pool {

/// Which idle connection of a key is handed out.
enum class reuse_order : unsigned char {
    oldest_first,  ///< the one given back first: all are used alike, so all stay warm
    newest_first,  ///< the one given back last: those not needed grow old and expire
};

/// Every connection that a pool knows, idle or lent, in one container. An entry stays in place from its insertion until
/// its connection leaves, and its connection has one address for all that time.
///
/// With `TimePoint = no_time` there are no deadlines and no index of them. Key's equality and copies, and Conn's
/// `closed` and `unblocked`, are the only foreign code that runs in here. Not thread-safe.
template <class Key, class Conn, class TimePoint = no_time>
class entry_store {
public:
    /// Whether there are deadlines.
    static constexpr bool timed = !std::is_same_v<TimePoint, no_time>;

    using entry = pool::entry<Key, Conn, TimePoint>;  ///< one connection
    using connections = pool::connections<Conn>;      ///< those outside the container
    using lookup = hashed_key<Key>;                   ///< what entries are found by

    /// How many idle connections there may be.
    struct bounds {
        std::size_t total;    ///< in all
        std::size_t per_key;  ///< of the key at hand
    };

    /// Empty. `reuse` is the order in which `lend` looks at the idle ones of a key.
    explicit entry_store(reuse_order reuse = reuse_order::oldest_first) : reuse_{reuse} {}

    entry_store(const entry_store&) = delete;
    entry_store& operator=(const entry_store&) = delete;

    /// What is idle is destroyed without a close, because a store cannot close.
    ~entry_store() {
        connections retired;
        clear(retired);
    }

    /// Takes in the one connection of `fresh`, as lent. `earliest` is not later than any deadline it will be given back
    /// with. A key that is new is made of `own`, which may be what `wanted` refers to. Strong guarantee: if it throws,
    /// `fresh` has its connection and the store is as before.
    template <class OwnKey>
    entry& insert(const lookup& wanted, OwnKey&& own, connections& fresh, TimePoint earliest) {
        group_ptr home{find(wanted)};
        const bool new_key = !home;
        if (new_key) home = group_ptr{new group{std::forward<OwnKey>(own), wanted.hash}};

        entry& e = emplace(home, earliest);
        e.held_ = fresh.pop_front();
        ++home->lent;
        ++stats_.lent;
        stats_.keys += new_key;
        return e;
    }

    /// The same, with a copy of the key.
    entry& insert(const lookup& wanted, connections& fresh, TimePoint earliest) {
        return insert(wanted, wanted.key, fresh, earliest);
    }

    /// Finds an idle connection that can be used at `now`, and lends it; nullptr if there is none. The blocked are passed
    /// over and stay; the closed and the expired that it meets go to `retired`. To find none is a miss, but for a caller
    /// `who_waits` on.
    template <bool who_waits = false>
    entry* lend(const lookup& wanted, TimePoint now, connections& retired) {
        if (group* const home = find(wanted)) {  // it ends with its last entry, and then there is none after that
            for (entry* each = first(*home); each != nullptr;) {
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
                    ++home->lent;
                    ++stats_.lent;
                    ++stats_.hits;
                    return &e;
                }
            }
        }
        if constexpr (!who_waits) ++stats_.misses;
        return nullptr;
    }

    /// Makes a lent entry idle until `due`. What has to go for it is `retired`: the key's own oldest while the key is full,
    /// then the oldest of all while the pool is. If there is no room or no time at all, it goes itself.
    void give_back(entry& e, const bounds& limits, TimePoint due, TimePoint now, connections& retired) noexcept {
        ++stats_.puts;
        if (limits.total == 0 || limits.per_key == 0) return drop(e, stats_.refused, retired);
        if (is_due(due, now)) return drop(e, stats_.expired, retired);

        group& home = *e.home_;
        while (home.idle.size() >= limits.per_key) retire(home.idle.front(), stats_.evicted, retired);
        while (stats_.idle >= limits.total) retire(oldest(), stats_.evicted, retired);
        link(e, due);
    }

    /// Makes a lent entry idle until `due`, then calls `serve(retired)`, which may lend or retire it as any other, and only
    /// then enforces the bounds, by the same rule.
    template <class Serve>
    void give_back(entry& e, const bounds& limits, TimePoint due, TimePoint now, connections& retired,
        const Serve& serve) noexcept {
        ++stats_.puts;
        if (is_due(due, now)) return drop(e, stats_.expired, retired);

        const group_ptr home = e.home_;  // held: it may be left without entries
        link(e, due);
        serve(retired);
        while (home->idle.size() > limits.per_key) retire(home->idle.front(), stats_.evicted, retired);
        while (stats_.idle > limits.total) retire(oldest(), stats_.evicted, retired);
    }

    /// Retires the oldest idle entry of another key, to make room for `wanted`. Returns whether there was one. O(1), but
    /// for those of its own key, all blocked, that are older, and the lent ones among these.
    bool make_room(const lookup& wanted, connections& retired) noexcept {
        if (stats_.idle == 0) return false;
        for (auto next = position(oldest()); next != by_order().end(); ++next) {
            entry& e = unconst(*next);
            if (!e.is_linked() || group_equal{}(wanted, e.home())) continue;
            retire(e, stats_.evicted, retired);
            return true;
        }
        return false;
    }

    /// Retires a lent entry that is given back and cannot be kept.
    void refuse(entry& e, connections& retired) noexcept {
        ++stats_.puts;
        drop(e, stats_.refused, retired);
    }

    /// A lent entry leaves for good, and its connection goes to `leaving`.
    void remove(entry& e, connections& leaving) noexcept {
        leaving.append(std::move(e.held_));
        --e.home_->lent;
        --stats_.lent;
        erase(e);
    }

    /// The earliest deadline of an idle entry, or max(). O(log n) for each entry that was lent since it was last asked.
    TimePoint next_deadline() noexcept
        requires timed
    {
        // A deadline changes at every turn, its place in the index only here: a front that is out of date goes where it
        // belongs, until the front is right. None behind it can be earlier, as no place is later than its deadline.
        while (!container_.empty()) {
            entry& front = unconst(*by_deadline().begin());
            if (front.deadlines_.indexed == front.deadlines_.due) return front.deadlines_.due;
            reindex(front);
        }
        return TimePoint::max();
    }

    /// Retires what is due at `now`, the earliest first.
    void expire(TimePoint now, connections& retired) noexcept
        requires timed
    {
        while (is_due(next_deadline(), now)) retire(unconst(*by_deadline().begin()), stats_.expired, retired);
    }

    /// Retires all that are idle, the oldest first.
    void clear(connections& retired) noexcept {
        while (stats_.idle != 0) retire(oldest(), stats_.cleared, retired);
    }

    /// Retires all idle ones of a key, the oldest first.
    void clear(const lookup& wanted, connections& retired) {
        if (const group_ptr home{find(wanted)}) {  // held: it would end with its last entry
            while (!home->idle.empty()) retire(home->idle.front(), stats_.cleared, retired);
        }
    }

    /// Retires what is idle beyond new bounds, by the rule of `give_back`. `per_key(entry)` is the bound of its key. O(n).
    template <class PerKey>
    void trim(std::size_t total, const PerKey& per_key, connections& retired) noexcept {
        for (auto next = oldest_; next != by_order().end();) {
            entry& e = unconst(*next++);
            if (e.is_linked() && e.home_->idle.size() > per_key(e)) retire(e, stats_.evicted, retired);
        }
        while (stats_.idle > total) retire(oldest(), stats_.evicted, retired);
    }

    /// The figures, which the caller may add its own to: dials, discards and failures are not seen from here.
    pool::stats& stats() noexcept { return stats_; }
    const pool::stats& stats() const noexcept { return stats_; }  ///< the same

    /// The figures of one key.
    key_stats stats(const lookup& wanted) const {
        const group* const home = find(wanted);
        return home != nullptr ? key_stats{home->idle.size(), home->lent} : key_stats{};
    }

    /// The figures of an entry's key.
    key_stats stats(const entry& known) const noexcept { return {known.home_->idle.size(), known.home_->lent}; }

private:
    using group = typename entry::group;
    using group_ptr = typename entry::group_ptr;

    struct key_index {};
    struct order_index {};
    struct deadline_index {};

    struct group_hash {
        std::size_t operator()(const group* home) const noexcept { return home->hash; }
        std::size_t operator()(const lookup& wanted) const noexcept { return wanted.hash; }
    };
    struct group_equal {
        bool operator()(const group* a, const group* b) const noexcept { return a == b; }
        bool operator()(const lookup& wanted, const group* home) const {
            return wanted.hash == home->hash && key_traits<Key>::equal(wanted.key, key_view<Key>(home->key));
        }
        bool operator()(const group* home, const lookup& wanted) const { return (*this)(wanted, home); }
    };
    struct indexed_deadline {
        using result_type = TimePoint;
        TimePoint operator()(const entry& e) const noexcept { return e.deadlines_.indexed; }
    };

    // By key: the way to a group, through any of its entries. By order: as they were given back last, so that the idle ones
    // are in that order; a lent one keeps its old place. By deadline: only where there are deadlines.
    using keyed = boost::multi_index::hashed_non_unique<
        boost::multi_index::tag<key_index>, boost::multi_index::const_mem_fun<entry, const group*, &entry::home>,
        group_hash, group_equal>;
    using ordered = boost::multi_index::sequenced<boost::multi_index::tag<order_index>>;
    using dated =
        boost::multi_index::ordered_non_unique<boost::multi_index::tag<deadline_index>, indexed_deadline>;
    using indices = std::conditional_t<timed, boost::multi_index::indexed_by<keyed, ordered, dated>,
                                       boost::multi_index::indexed_by<keyed, ordered>>;
    using container = boost::multi_index_container<entry, indices>;

    auto& by_key() noexcept { return container_.template get<key_index>(); }
    auto& by_key() const noexcept { return container_.template get<key_index>(); }
    auto& by_order() noexcept { return container_.template get<order_index>(); }
    auto& by_deadline() noexcept { return container_.template get<deadline_index>(); }

    /// The container shows its elements as const, to protect what it orders them by. That is `home_`, which never
    /// changes, and `indexed`, which only `reindex` changes.
    static entry& unconst(const entry& e) noexcept { return const_cast<entry&>(e); }

    auto position(const entry& e) noexcept { return by_order().iterator_to(e); }

    /// The one that is idle longest; there has to be one. Amortised O(1): each lent entry is passed over once.
    entry& oldest() noexcept {
        while (!oldest_->is_linked()) ++oldest_;
        return unconst(*oldest_);
    }

    group* find(const lookup& wanted) const {
        const auto found = by_key().find(wanted, group_hash{}, group_equal{});
        return found == by_key().end() ? nullptr : found->home_.get();
    }

    /// A lent entry without a connection.
    entry& emplace(const group_ptr& home, TimePoint earliest) {
        if constexpr (timed) return unconst(*by_deadline().emplace_hint(by_deadline().end(), home, earliest));
        else return unconst(*by_order().emplace_back(home, earliest).first);
    }

    void erase(entry& e) noexcept {
        const group& home = *e.home_;
        stats_.keys -= home.lent == 0 && home.idle.empty();
        if (oldest_ == position(e)) ++oldest_;
        by_order().erase(position(e));
    }

    void link(entry& e, [[maybe_unused]] TimePoint due) noexcept {
        --e.home_->lent;
        --stats_.lent;
        const auto here = position(e);
        if (stats_.idle++ == 0) oldest_ = here;
        else if (oldest_ == here) ++oldest_;
        by_order().relocate(by_order().end(), here);
        e.home_->idle.push_back(e);
        if constexpr (timed) {
            e.deadlines_.due = due;
            if (due < e.deadlines_.indexed) reindex(e);
        }
    }

    void unlink(entry& e) noexcept {
        --stats_.idle;
        e.home_->idle.erase(e.home_->idle.iterator_to(e));
        if constexpr (timed) e.deadlines_.due = TimePoint::max();
    }

    void retire(entry& e, std::uint64_t& reason, connections& retired) noexcept {
        ++reason;
        unlink(e);
        retired.append(std::move(e.held_));
        erase(e);
    }

    void drop(entry& e, std::uint64_t& reason, connections& retired) noexcept {
        ++reason;
        remove(e, retired);
    }

    /// Out and in again at the same place of the order. The node, and so the entry, stays where it is, and nothing can
    /// throw, as the hash table does not grow. `modify` would do the same, but it searches the hashed index for the node,
    /// through all entries of its key.
    void reindex(entry& e) noexcept {
        const auto next = std::next(position(e));
        auto node = by_order().extract(position(e));
        e.deadlines_.indexed = e.deadlines_.due;
        by_order().insert(next, std::move(node));
    }

    static bool is_due(TimePoint deadline, TimePoint now) noexcept {
        if constexpr (timed) return deadline <= now && deadline != TimePoint::max();
        else return false;
    }
    static bool is_due(const entry& e, TimePoint now) noexcept {
        if constexpr (timed) return is_due(e.deadlines_.due, now);
        else return false;
    }

    entry* first(group& home) const noexcept {
        if (home.idle.empty()) return nullptr;
        return reuse_ == reuse_order::oldest_first ? &home.idle.front() : &home.idle.back();
    }

    /// The one to look at after `e`, in the order of reuse.
    entry* after(entry& e) const noexcept {
        auto& idle = e.home_->idle;
        auto here = idle.iterator_to(e);
        if (reuse_ == reuse_order::oldest_first) return ++here == idle.end() ? nullptr : &*here;
        return here == idle.begin() ? nullptr : &*--here;
    }

    container container_;
    typename boost::multi_index::index<container, order_index>::type::iterator oldest_ = by_order().end();
    pool::stats stats_;
    const reuse_order reuse_;
};

}  // namespace pool
