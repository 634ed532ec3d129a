// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

#include <boost/intrusive/list.hpp>

#include <pool/core/hashed_key.hpp>

/// @file
/// The data that all connections of one key share.

namespace pool::core {

/// The key, its hash and its idle entries. It is destroyed at the end of its last use, so nothing remains of a key
/// without connections.
template <class Key, class Entry>
struct key_group {
    /// Copies the key. Throws what that throws.
    explicit key_group(const hashed_key<Key>& of) : key(of.key), hash{of.hash} {}

    /// The key with its hash. Valid as long as the group.
    hashed_key<Key> hashed() const noexcept { return {key_view<Key>(key), hash}; }

    /// Whether the key has an idle or lent connection.
    bool is_in_use() const noexcept { return lent != 0 || !idle.empty(); }

    const Key key;
    const std::size_t hash;
    boost::intrusive::list<Entry> idle;  ///< in the order in which they were given back
    std::size_t lent = 0;
    std::size_t uses = 0;  ///< how many entries and `kept_key`s use this group
};

}  // namespace pool::core
