// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/intrusive/list.hpp>
#include <boost/multi_index/hashed_index.hpp>
#include <boost/multi_index/mem_fun.hpp>
#include <boost/multi_index/ordered_index.hpp>
#include <boost/multi_index/sequenced_index.hpp>
#include <boost/multi_index/tag.hpp>
#include <boost/multi_index_container.hpp>

#include <pool/core/connection.hpp>
#include <pool/core/entry.hpp>
#include <pool/core/key.hpp>
#include <pool/core/recycling_allocator.hpp>
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

/// Every connection that a pool knows, in one container. An entry is made before its connection is opened and stays in place
/// until that has been closed: it is a place for it, which is of one caller's, idle, or being closed.
///
/// With `TimePoint = no_time` there are no deadlines and no index of them. Key's equality and copies, and Conn's
/// `closed` and `unblocked`, are the only foreign code that runs in here. Not thread-safe.
template <class Key, class Conn, class TimePoint = no_time>
class entry_store {
public:
    /// Whether there are deadlines.
    static constexpr bool timed = !std::is_same_v<TimePoint, no_time>;

    static_assert(alignof(Conn) <= 128, "pool: a Conn may be aligned to 128 bytes at most");  // Boost.MultiIndex's limit

    using entry = pool::entry<Key, Conn, TimePoint>;  ///< one connection
    using entries = boost::intrusive::list<entry>;    ///< those that somebody closes
    using lookup = hashed_key<Key>;                   ///< what entries are found by

    /// How many idle connections there may be.
    struct bounds {
        std::size_t total;    ///< in all
        std::size_t per_key;  ///< of the key at hand
    };

    /// Keeps a key, whether or not it has entries. It is copied only if it has none.
    class kept_key {
    public:
        /// Strong guarantee.
        kept_key(entry_store& store, const lookup& wanted) : store_{store}, group_{store.find_or_make(wanted)} {
            ++group_.uses;
        }

        kept_key(const kept_key&) = delete;
        kept_key& operator=(const kept_key&) = delete;

        ~kept_key() { store_.let_go(group_); }

        const Key& key() const noexcept { return group_.key; }      ///< the key
        lookup wanted() const noexcept { return group_.wanted(); }  ///< what it is found by

    private:
        friend entry_store;

        entry_store& store_;
        typename entry::group& group_;
    };

    /// Empty. `reuse` is the order in which `lend` looks at the idle ones of a key.
    explicit entry_store(reuse_order reuse = reuse_order::oldest_first) : reuse_{reuse} {}

    entry_store(const entry_store&) = delete;
    entry_store& operator=(const entry_store&) = delete;

    /// What is idle or lent is destroyed without a close, because a store cannot close.
    ~entry_store() {
        while (!container_.empty()) {
            entry& e = unconst(by_order().front());
            if (e.is_idle()) unlink(e);
            erase(e);
        }
    }

    /// A place for a connection that the caller is about to open. `earliest` is not later than any deadline it will be given
    /// back with. A key that is new is copied. Strong guarantee.
    entry& reserve(const lookup& wanted, TimePoint earliest) {
        const kept_key key{*this, wanted};
        entry* made = nullptr;
        if constexpr (timed) made = &unconst(*by_deadline().emplace_hint(by_deadline().end(), key.group_, earliest));
        else made = &unconst(*by_order().emplace_back(key.group_, earliest).first);
        ++key.group_.uses;
        return *made;
    }

    /// The connection of a reserved place is open: it is lent.
    void admit(entry& e) noexcept {
        stats_.keys += !is_known(*e.home_);
        e.place_ = place::lent;
        ++e.home_->lent;
        ++stats_.lent;
    }

    /// There will be no connection in a reserved place.
    void abandon(entry& e) noexcept { erase(e); }

    /// Finds an idle connection that can be used at `now`, and lends it; nullptr if there is none. The blocked are passed
    /// over and stay; the closed and the expired that it meets go to `retired`. To find none is a miss, but for a caller
    /// `who_waits` on.
    template <bool who_waits = false>
    entry* lend(const lookup& wanted, TimePoint now, entries& retired) {
        if (group* const home = find(wanted)) {
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
                    e.place_ = place::lent;
                    e.reused = true;
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
    void give_back(entry& e, const bounds& limits, TimePoint due, TimePoint now, entries& retired) noexcept {
        ++stats_.puts;
        if (limits.total == 0 || limits.per_key == 0) return retire(e, stats_.refused, retired);
        if (is_due(due, now)) return retire(e, stats_.expired, retired);

        group& home = *e.home_;
        while (home.idle.size() >= limits.per_key) retire(home.idle.front(), stats_.evicted, retired);
        while (stats_.idle >= limits.total) retire(oldest(), stats_.evicted, retired);
        link(e, due);
    }

    /// Makes a lent entry idle until `due`, then calls `serve(retired)`, which may lend or retire it as any other, and only
    /// then enforces the bounds, by the same rule.
    template <class Serve>
    void give_back(entry& e, const bounds& limits, TimePoint due, TimePoint now, entries& retired,
        const Serve& serve) noexcept {
        ++stats_.puts;
        if (is_due(due, now)) return retire(e, stats_.expired, retired);

        link(e, due);
        serve(retired);
        group& home = *e.home_;
        while (home.idle.size() > limits.per_key) retire(home.idle.front(), stats_.evicted, retired);
        while (stats_.idle > limits.total) retire(oldest(), stats_.evicted, retired);
    }

    /// Retires the oldest idle entry of another key, to make room for `wanted`. Returns whether there was one. O(1), but
    /// for those of its own key, all blocked, that are older, and the lent ones among these.
    bool make_room(const lookup& wanted, entries& retired) noexcept {
        if (stats_.idle == 0) return false;
        for (auto next = position(oldest()); next != by_order().end(); ++next) {
            entry& e = unconst(*next);
            if (!e.is_idle() || group_equal{}(wanted, e.home())) continue;
            retire(e, stats_.evicted, retired);
            return true;
        }
        return false;
    }

    /// Retires an entry that is given back, or newly opened, and cannot be kept.
    void refuse(entry& e, entries& retired) noexcept {
        ++stats_.puts;
        retire(e, stats_.refused, retired);
    }

    /// Retires an entry that is lent, or newly opened, for a reason that the caller counts.
    void discard(entry& e, entries& retired) noexcept {
        std::uint64_t uncounted = 0;
        retire(e, uncounted, retired);
    }

    /// A lent entry whose connection has gone leaves for good.
    void forget(entry& e) noexcept {
        --e.home_->lent;
        --stats_.lent;
        stats_.keys -= !is_known(*e.home_);
        erase(e);
    }

    /// What was retired, and whose connections have been closed and destroyed, leaves for good.
    void erase(entries& closed) noexcept {
        stats_.closing -= closed.size();
        while (!closed.empty()) {
            entry& e = closed.front();
            closed.pop_front();
            erase(e);
        }
    }

    // What may have much to do takes `most` steps at most, so that whoever locks the store can let others in between.

    /// The earliest deadline of an idle entry, or max(); or nothing yet, but to be asked again. Each step is O(log n).
    std::optional<TimePoint> next_deadline(std::size_t most) noexcept
        requires timed
    {
        // A deadline changes at every turn, its place in the index only here: a front that is out of date goes where it
        // belongs, until the front is right. None behind it can be earlier, as no place is later than its deadline.
        for (; !container_.empty(); --most) {
            entry& front = unconst(*by_deadline().begin());
            if (front.deadlines_.indexed == front.deadlines_.due) return front.deadlines_.due;
            if (most == 0) return std::nullopt;
            reindex(front);
        }
        return TimePoint::max();
    }

    /// Retires what is due at `now`, the earliest first. Returns whether that was all. Each step is O(log n).
    bool expire(TimePoint now, std::size_t most, entries& retired) noexcept
        requires timed
    {
        for (auto next = by_deadline().begin(); next != by_deadline().end(); --most) {
            entry& e = unconst(*next);
            const TimePoint indexed = e.deadlines_.indexed;
            if (!is_due(indexed, now)) break;
            if (most == 0) return false;
            ++next;
            if (indexed == e.deadlines_.due) {
                retire(e, stats_.expired, retired);
            } else {
                reindex(e);
                const bool is_next = next == by_deadline().end() || e.deadlines_.indexed < next->deadlines_.indexed;
                if (is_next) next = by_deadline().iterator_to(e);
            }
        }
        return true;
    }

    /// Retires those that are idle, the oldest first. Each step is O(1).
    void clear(std::size_t most, entries& retired) noexcept {
        for (; most != 0 && stats_.idle != 0; --most) retire(oldest(), stats_.cleared, retired);
    }

    /// Retires the idle ones of a key, the oldest first. Each step is O(1).
    void clear(const lookup& wanted, std::size_t most, entries& retired) {
        if (group* const home = find(wanted)) {
            for (; most != 0 && !home->idle.empty(); --most) retire(home->idle.front(), stats_.cleared, retired);
        }
    }

    /// Retires what is idle beyond new bounds, by the rule of `give_back`. `per_key(entry)` is the bound of its key. O(n).
    template <class PerKey>
    void trim(std::size_t total, const PerKey& per_key, entries& retired) noexcept {
        for (auto next = oldest_; next != by_order().end();) {
            entry& e = unconst(*next++);
            if (e.is_idle() && e.home_->idle.size() > per_key(e)) retire(e, stats_.evicted, retired);
        }
        while (stats_.idle > total) retire(oldest(), stats_.evicted, retired);
    }

    /// Makes room in the hashed index: until there are more entries than `count`, it need not grow. Strong guarantee.
    void reserve(std::size_t count) { by_key().reserve(count); }

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
    using place = typename entry::place;

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
    // are in that order; one that is not idle keeps its old place. By deadline: only where there are deadlines.
    using keyed = boost::multi_index::hashed_non_unique<
        boost::multi_index::tag<key_index>, boost::multi_index::const_mem_fun<entry, const group*, &entry::home>,
        group_hash, group_equal>;
    using ordered = boost::multi_index::sequenced<boost::multi_index::tag<order_index>>;
    using dated =
        boost::multi_index::ordered_non_unique<boost::multi_index::tag<deadline_index>, indexed_deadline>;
    using indices = std::conditional_t<timed, boost::multi_index::indexed_by<keyed, ordered, dated>,
                                       boost::multi_index::indexed_by<keyed, ordered>>;
    using container = boost::multi_index_container<entry, indices, recycling_allocator<entry>>;
    using group_memory = recycling_allocator<group>;
    using group_traits = std::allocator_traits<group_memory>;

    auto& by_key() noexcept { return container_.template get<key_index>(); }
    auto& by_key() const noexcept { return container_.template get<key_index>(); }
    auto& by_order() noexcept { return container_.template get<order_index>(); }
    auto& by_deadline() noexcept { return container_.template get<deadline_index>(); }

    /// The container shows its elements as const, to protect what it orders them by. That is `home_`, which never
    /// changes, and `indexed`, which only `reindex` changes.
    static entry& unconst(const entry& e) noexcept { return const_cast<entry&>(e); }

    auto position(const entry& e) noexcept { return by_order().iterator_to(e); }

    /// The one that is idle longest; there has to be one. Amortised O(1): each that is not is passed over once.
    entry& oldest() noexcept {
        while (!oldest_->is_idle()) ++oldest_;
        return unconst(*oldest_);
    }

    group* find(const lookup& wanted) const {
        const auto found = by_key().find(wanted, group_hash{}, group_equal{});
        return found == by_key().end() ? nullptr : found->home_;
    }

    static bool is_known(const group& home) noexcept { return home.lent != 0 || !home.idle.empty(); }

    group& find_or_make(const lookup& wanted) {
        if (group* const known = find(wanted)) return *known;
        group_memory memory{spare_groups_};
        group* const home = group_traits::allocate(memory, 1);
        try {
            return *std::construct_at(home, wanted);
        } catch (...) {
            group_traits::deallocate(memory, home, 1);
            throw;
        }
    }

    void let_go(group& home) noexcept {
        if (--home.uses != 0) return;
        group_memory memory{spare_groups_};
        std::destroy_at(&home);
        group_traits::deallocate(memory, &home, 1);
    }

    void erase(entry& e) noexcept {
        group& home = *e.home_;
        if (oldest_ == position(e)) ++oldest_;
        by_order().erase(position(e));
        let_go(home);
    }

    void link(entry& e, [[maybe_unused]] TimePoint due) noexcept {
        --e.home_->lent;
        --stats_.lent;
        const auto here = position(e);
        if (stats_.idle++ == 0) oldest_ = here;
        else if (oldest_ == here) ++oldest_;
        by_order().relocate(by_order().end(), here);
        e.home_->idle.push_back(e);
        e.place_ = place::idle;
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

    /// It leaves, wherever it is.
    void retire(entry& e, std::uint64_t& reason, entries& retired) noexcept {
        ++reason;
        group& home = *e.home_;
        const bool was_known = is_known(home);
        if (e.place_ == place::idle) {
            unlink(e);
        } else if (e.place_ == place::lent) {
            --home.lent;
            --stats_.lent;
        }
        stats_.keys -= was_known && !is_known(home);
        e.place_ = place::leaving;
        ++stats_.closing;
        retired.push_back(e);
    }

    /// Out and in again at the same place of the order. The node, and so the entry, stays where it is, and nothing can
    /// throw, as the hash table does not grow. `modify` would do the same, but it searches the hashed index for the node,
    /// through all entries of its key.
    void reindex(entry& e) noexcept {
        const bool was_oldest = oldest_ == position(e);
        const auto next = std::next(position(e));
        auto node = by_order().extract(position(e));
        e.deadlines_.indexed = e.deadlines_.due;
        by_order().insert(next, std::move(node));
        if (was_oldest) oldest_ = position(e);
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

    spare_blocks spare_entries_;
    spare_blocks spare_groups_;
    container container_{typename container::ctor_args_list{}, recycling_allocator<entry>{spare_entries_}};
    typename boost::multi_index::index<container, order_index>::type::iterator oldest_ = by_order().end();
    pool::stats stats_;
    const reuse_order reuse_;
};

}  // namespace pool
