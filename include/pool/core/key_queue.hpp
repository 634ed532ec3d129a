// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>

#include <boost/intrusive/set.hpp>
#include <boost/multi_index/hashed_index.hpp>
#include <boost/multi_index/identity.hpp>
#include <boost/multi_index_container.hpp>

#include <pool/core/block_cache.hpp>
#include <pool/core/request.hpp>

/// @file
/// The wait queue of one key, and the order of all queues by age.

namespace pool::core {

/// The waiting requests of one key, or its dialling requests. The oldest is in front.
template <class Store>
struct request_queue : boost::intrusive::set_base_hook<> {
    request_queue(key_queue<Store>& its_key, bool with_dials) noexcept : of{its_key}, dials{with_dials} {}

    key_queue<Store>& of;
    const bool dials;  ///< whether these requests have running dials
    typename request_lists<Store>::of_key requests;
};

/// One key that a caller waits or dials for.
template <class Store>
struct key_queue {
    using key_type = typename Store::entry::key_type;
    using hashed_type = typename Store::hashed;

    key_queue(Store& store, const hashed_type& key) : kept{store, key} {}

    const key_type& key() const noexcept { return kept.key(); }
    hashed_type hashed() const noexcept { return kept.hashed(); }

    const typename Store::kept_key kept;
    std::size_t dialing = 0;                     ///< running dials
    std::size_t spare = 0;                       ///< running dials whose own request does not need them any more
    request_queue<Store> waiting{*this, false};  ///< without a dial of their own
    request_queue<Store> dialers{*this, true};   ///< requests with a running dial; they can take another connection
    dial_error last_error;                       ///< the last dial error since the queue exists
};

/// All keys that a caller waits or dials for, found by their key.
template <class Store>
class key_queues {
    using queue = key_queue<Store>;
    using hashed = typename Store::hashed;

public:
    bool empty() const noexcept { return container_.empty(); }  ///< nobody waits or dials

    /// The queue of a key, or nullptr. O(1).
    queue* find(const hashed& key) const noexcept {
        if (container_.empty()) return nullptr;
        const auto found = container_.find(key, hash{}, equal{});
        return found == container_.end() ? nullptr : &unconst(*found);
    }

    /// The queue of a key, which is made if there is none. Strong guarantee.
    queue& find_or_make(Store& store, const hashed& key) {
        if (queue* const known = find(key)) return *known;
        return unconst(*container_.emplace(store, key).first);
    }

    /// Erases a queue if no request waits or dials for its key any more. So nothing remains of the key.
    void erase_if_unused(queue& of) noexcept {
        if (of.dialing == 0 && of.waiting.requests.empty()) container_.erase(container_.iterator_to(of));
    }

private:
    struct hash {
        std::size_t operator()(const queue& of) const noexcept { return of.hashed().hash; }
        std::size_t operator()(const hashed& key) const noexcept { return key.hash; }
    };
    struct equal {
        bool operator()(const queue& a, const queue& b) const noexcept { return &a == &b || (*this)(a.hashed(), b); }
        bool operator()(const hashed& key, const queue& of) const noexcept {
            return key.equals(of.key(), of.hashed().hash);
        }
        bool operator()(const queue& of, const hashed& key) const noexcept { return (*this)(key, of); }
    };

    using index = boost::multi_index::hashed_unique<boost::multi_index::identity<queue>, hash, equal>;
    using container =
        boost::multi_index_container<queue, boost::multi_index::indexed_by<index>, recycling_allocator<queue>>;

    /// Removes the const that the container adds to protect the key. The key never changes.
    static queue& unconst(const queue& of) noexcept { return const_cast<queue&>(of); }

    block_cache blocks_;
    container container_{typename container::ctor_args_list{}, recycling_allocator<queue>{blocks_}};
};

/// The age of a queue is that of its oldest request.
template <class Store>
struct age_of {
    using type = std::uint64_t;
    type operator()(const request_queue<Store>& of) const noexcept { return of.requests.front().ticket(); }
};

/// The queues that are not empty, the one with the oldest request in front.
template <class Store>
using queues_by_age = boost::intrusive::set<request_queue<Store>, boost::intrusive::key_of_value<age_of<Store>>,
    boost::intrusive::constant_time_size<false>>;

}  // namespace pool::core
