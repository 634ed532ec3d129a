// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

#include <boost/multi_index/hashed_index.hpp>
#include <boost/multi_index/identity.hpp>
#include <boost/multi_index_container.hpp>

#include <pool/core/block_cache.hpp>
#include <pool/core/key_queue.hpp>

/// @file
/// The wait queues of all keys.

namespace pool::core {

/// The queues of the keys for which a request waits or dials. A key's group refers to its queue. The group of a key
/// without entries is found here, by its queue. Not thread-safe.
template <class Store>
class key_queues {
    using group = typename Store::group;
    using hashed = typename Store::hashed;
    using queue = key_queue<typename Store::entry>;

public:
    bool empty() const noexcept { return container_.empty(); }  ///< nobody waits or dials

    /// The queue of a key, or nullptr. Throws what Key's equality throws. O(1).
    queue* find(const hashed& key) const {
        if (container_.empty()) return nullptr;
        const auto found = container_.find(key, hash{}, equal{});
        return found == container_.end() ? nullptr : &unconst(*found);
    }

    /// The queue of a key. Makes one if there is none; `known` is the group of the key's entries, if it has any. Strong
    /// guarantee.
    queue& find_or_make(Store& store, const hashed& key, group* known) {
        if (known != nullptr && known->queue != nullptr) return *known->queue;
        if (known == nullptr)
            if (queue* const found = find(key)) return *found;
        return unconst(*container_.emplace(store, key, known).first);
    }

    /// Erases a queue.
    void erase(queue& of) noexcept { container_.erase(container_.iterator_to(static_cast<const kept_queue&>(of))); }

private:
    /// A queue that keeps the group of its key.
    struct kept_queue : private Store::kept_group, public queue {
        kept_queue(Store& store, const hashed& key, group* known)
            : Store::kept_group{store, key, known},
              queue{*static_cast<const typename Store::kept_group&>(*this)} {}
    };

    struct hash {
        std::size_t operator()(const queue& of) const noexcept { return of.group->hash; }
        std::size_t operator()(const hashed& key) const noexcept { return key.hash; }
    };
    struct equal {
        bool operator()(const queue& a, const queue& b) const noexcept { return a.group == b.group; }
        bool operator()(const hashed& key, const queue& of) const { return key.equals(of.group->key, of.group->hash); }
        bool operator()(const queue& of, const hashed& key) const { return (*this)(key, of); }
    };

    using index = boost::multi_index::hashed_unique<boost::multi_index::identity<kept_queue>, hash, equal>;
    using container = boost::multi_index_container<kept_queue, boost::multi_index::indexed_by<index>,
        recycling_allocator<kept_queue>>;

    /// Removes the const that the container adds to protect the key. The key never changes.
    static queue& unconst(const queue& of) noexcept { return const_cast<queue&>(of); }

    block_cache blocks_;
    container container_{typename container::ctor_args_list{}, recycling_allocator<kept_queue>{blocks_}};
};

}  // namespace pool::core
