// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cassert>
#include <cstddef>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

#include <boost/intrusive/list.hpp>
#include <boost/multi_index/hashed_index.hpp>
#include <boost/multi_index/mem_fun.hpp>
#include <boost/multi_index/ordered_index.hpp>
#include <boost/multi_index/sequenced_index.hpp>
#include <boost/multi_index/tag.hpp>
#include <boost/multi_index_container.hpp>

#include <pool/core/block_cache.hpp>
#include <pool/core/entry.hpp>
#include <pool/core/hashed_key.hpp>

/// @file
/// The container of all connections: where an entry is found, by key, by order and by expiry.

namespace pool::core {

/// One Boost.MultiIndex container with three indices.
/// - By key, hashed: any entry of a key leads to its group.
/// - By order, sequenced: by the time of the last give-back. An entry that is not idle keeps its old place.
/// - By expiry, ordered by a lower bound of each entry's expiry time. This index exists only if connections can expire.
///
/// It also makes the groups. A group is destroyed at the end of its last use. Not thread-safe.
template <class Key, class Conn, class Parts>
class entry_index {
public:
    using entry = core::entry<Key, Conn, Parts>;    ///< one connection
    using group = typename entry::group;            ///< what the entries of one key share
    using hashed = hashed_key<Key>;                 ///< what groups are found by
    using time_point = typename Parts::time_point;  ///< of expiry

    static constexpr bool timed = Parts::timed;  ///< whether anything expires

    entry_index() = default;
    entry_index(const entry_index&) = delete;
    entry_index& operator=(const entry_index&) = delete;

    /// The group of a key, or nullptr. O(1).
    group* find(const hashed& key) const {
        const auto& keyed = container_.template get<by_key>();
        const auto found = keyed.find(key, group_hash{}, group_equal{});
        return found == keyed.end() ? nullptr : found->group_;
    }

    /// Adds a use to the group of a key: the group of its entries, else `known`, else a new one with a copy of the key.
    /// Strong guarantee.
    group& use(const hashed& key, group* known = nullptr) {
        group* used = find(key);
        if (used == nullptr) used = known;
        if (used == nullptr) {
            group_memory memory{group_blocks_};
            used = group_memory_traits::allocate(memory, 1);
            try {
                std::construct_at(used, key);
            } catch (...) {
                group_memory_traits::deallocate(memory, used, 1);
                throw;
            }
        }
        ++used->uses;
        return *used;
    }

    /// Ends a use of a group, and the group with its last use.
    void release(group& used) noexcept {
        if (--used.uses != 0) return;
        group_memory memory{group_blocks_};
        std::destroy_at(&used);
        group_memory_traits::deallocate(memory, &used, 1);
    }

    /// Adds an entry at the end of the order. The entry counts as a use of its group. Strong guarantee.
    entry& add(group& of, time_point earliest) {
        entry* made = nullptr;
        if constexpr (timed) made = &unconst(*dated().emplace_hint(dated().end(), of, earliest));
        else made = &unconst(*ordered().emplace_back(of, earliest).first);
        ++of.uses;
        return *made;
    }

    /// Removes an entry.
    void erase(entry& e) noexcept {
        group& its = *e.group_;
        if (oldest_ == position(e)) ++oldest_;
        pass_on(e, nullptr);
        ordered().erase(position(e));
        release(its);
    }

    /// Moves an entry to the end of the order, just before it becomes idle. `is_first` means that no other entry is
    /// idle.
    void move_to_end(entry& e, bool is_first) noexcept {
        const auto here = position(e);
        if (is_first) oldest_ = here;
        else if (oldest_ == here) ++oldest_;
        pass_on(e, &e);
        ordered().relocate(ordered().end(), here);
    }

    /// The entry that has been idle for longest. At least one entry must be idle. Amortised O(1): it skips each entry
    /// that is not idle once.
    entry& oldest_idle() noexcept {
        for (; !oldest_->is_idle(); ++oldest_) assert(std::next(oldest_) != ordered().end() && "pool: nothing is idle");
        return unconst(*oldest_);
    }

    /// Moves an entry in the index of expiry times to another time. O(log n). It extracts the node and inserts it
    /// again, at the same place of the order. The entry keeps its address, and nothing can throw, because the hash
    /// table does not grow. `modify` would do the same, but it searches the hashed index for the node, through all
    /// entries of its key.
    void reindex(entry& e, time_point to) noexcept {
        const bool was_oldest = oldest_ == position(e);
        const auto next = std::next(position(e));
        auto node = ordered().extract(position(e));
        e.expiry_.indexed = to;
        ordered().insert(next, std::move(node));
        if (was_oldest) oldest_ = position(e);
    }

    /// A way through the entries, in order. Other operations may come in between: one that moves or erases the next entry
    /// has the way go on at the one after it. Destroy it where the index may be touched.
    class walk : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
        friend entry_index;
        entry* next_ = nullptr;  ///< nullptr at the end
    };

    /// Begins a walk at the entry that has been idle for longest, or through all that there are.
    void begin(walk& way, bool of_all) noexcept {
        way.next_ = at(of_all ? ordered().begin() : oldest_);
        if (!way.is_linked()) walks_.push_back(way);
    }

    /// The next entry of a walk; nullptr at the end. It need not be idle.
    entry* next(walk& way) noexcept {
        entry* const here = way.next_;
        if (here != nullptr) way.next_ = at(std::next(position(*here)));
        else if (way.is_linked()) way.unlink();
        return here;
    }

    /// An entry is idle again that has kept its place.
    void is_idle_again(entry& e) noexcept {
        while (oldest_ != ordered().end() && !oldest_->is_idle()) ++oldest_;
        if (oldest_ == ordered().end() || e.tending_.order < oldest_->tending_.order) oldest_ = position(e);
    }

    bool empty() const noexcept { return container_.empty(); }        ///< no entry at all
    std::size_t size() const noexcept { return container_.size(); }   ///< all entries

    auto& ordered() noexcept { return container_.template get<by_order>(); }  ///< all entries, in order
    auto& dated() noexcept { return container_.template get<by_expiry>(); }   ///< all entries, by expiry

    /// The place of an entry in the order.
    auto position(const entry& e) noexcept { return ordered().iterator_to(e); }

    /// Removes the const that the container adds to protect the keys of its indices. Those are the group, which never
    /// changes, and the indexed time, which only `reindex` changes.
    static entry& unconst(const entry& e) noexcept { return const_cast<entry&>(e); }

    /// Makes room in the hashed index for so many entries. Strong guarantee.
    void reserve(std::size_t count) { container_.template get<by_key>().reserve(count); }

private:
    struct by_key {};
    struct by_order {};
    struct by_expiry {};

    struct group_hash {
        std::size_t operator()(const group* of) const noexcept { return of->hash; }
        std::size_t operator()(const hashed& key) const noexcept { return key.hash; }
    };
    struct group_equal {
        bool operator()(const group* a, const group* b) const noexcept { return a == b; }
        bool operator()(const hashed& key, const group* of) const { return key.equals(of->key, of->hash); }
        bool operator()(const group* of, const hashed& key) const { return (*this)(key, of); }
    };
    struct indexed_expiry {
        using result_type = time_point;
        time_point operator()(const entry& e) const noexcept { return e.expiry_.indexed; }
    };

    using keyed_index = boost::multi_index::hashed_non_unique<boost::multi_index::tag<by_key>,
        boost::multi_index::const_mem_fun<entry, const group*, &entry::indexed_group>, group_hash, group_equal>;
    using ordered_index = boost::multi_index::sequenced<boost::multi_index::tag<by_order>>;
    using dated_index = boost::multi_index::ordered_non_unique<boost::multi_index::tag<by_expiry>, indexed_expiry>;
    using indices = std::conditional_t<timed, boost::multi_index::indexed_by<keyed_index, ordered_index, dated_index>,
        boost::multi_index::indexed_by<keyed_index, ordered_index>>;
    using container = boost::multi_index_container<entry, indices, recycling_allocator<entry>>;

    using group_memory = recycling_allocator<group>;
    using group_memory_traits = std::allocator_traits<group_memory>;

    block_cache entry_blocks_;
    block_cache group_blocks_;
    container container_{typename container::ctor_args_list{}, recycling_allocator<entry>{entry_blocks_}};

    using position_type = typename boost::multi_index::index<container, by_order>::type::iterator;

    entry* at(position_type here) noexcept { return here != ordered().end() ? &unconst(*here) : nullptr; }

    /// An entry leaves its place. Walks go on at the next one, or at `last` if it was the last.
    void pass_on(entry& leaving, entry* last) noexcept {
        for (walk& each : walks_) {
            if (each.next_ != &leaving) continue;
            entry* const next = at(std::next(position(leaving)));
            each.next_ = next != nullptr ? next : last;
        }
    }

    position_type oldest_ = ordered().end();  ///< no idle entry is before it
    boost::intrusive::list<walk, boost::intrusive::constant_time_size<false>> walks_;
};

}  // namespace pool::core
