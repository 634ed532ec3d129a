// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set_hook.hpp>

#include <pool/core/hashed_key.hpp>

/// @file
/// The data that all connections of one key share.

namespace pool::core {

template <class Entry>
struct key_queue;

/// How a group is in the order of `idle_groups`. One that is destroyed leaves it by itself.
using idle_group_hook = boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

/// How an idle entry is in the list of those that were blocked when they were last asked.
using blocked_hook = boost::intrusive::list_base_hook<boost::intrusive::tag<struct blocked_tag>>;

/// The part of a group that is there if callers may wait for its connections.
template <class Entry>
struct awaited_group : idle_group_hook {
    key_queue<Entry>* queue = nullptr;  ///< the requests for this key, if there are any
    std::size_t nudged = 0;             ///< waiting requests that were notified to look, each for one idle entry
    std::uint64_t indexed_age = 0;      ///< for `idle_groups`: never above the age of its oldest idle entry
    /// The idle entries that were blocked when they were last asked, the one that has been so for longest in front.
    boost::intrusive::list<Entry, boost::intrusive::base_hook<blocked_hook>> blocked;
};

/// The same if nobody waits: nothing.
struct unawaited_group {};

/// The key, its hash and its idle entries. It is destroyed at the end of its last use, so nothing remains of a key
/// without connections and requests.
template <class Key, class Entry, bool can_wait>
struct key_group : std::conditional_t<can_wait, awaited_group<Entry>, unawaited_group> {
    /// Copies the key. Throws what that throws.
    explicit key_group(const hashed_key<Key>& of) : key(of.key), hash{of.hash} {}

    /// The key with its hash. Valid as long as the group.
    hashed_key<Key> hashed() const noexcept { return {key_view<Key>(key), hash}; }

    /// Whether the key has an idle or lent connection.
    bool is_in_use() const noexcept { return lent != 0 || !idle.empty(); }

    /// The idle entries that can be lent, as far as is known.
    std::size_t usable() const noexcept
        requires can_wait
    {
        return idle.size() - this->blocked.size();
    }

    /// Whether it has an idle entry that no nudged request is to take.
    bool has_spare() const noexcept
        requires can_wait
    {
        return idle.size() > this->nudged;
    }

    /// That entry: the oldest one, unless all that are usable are to be taken. Then it is a blocked one.
    Entry& spare() noexcept
        requires can_wait
    {
        return usable() > this->nudged ? idle.front() : this->blocked.front();
    }

    const Key key;
    const std::size_t hash;
    boost::intrusive::list<Entry> idle;  ///< in the order in which they were given back
    std::size_t lent = 0;
    std::uint64_t uses : 56 = 0;       ///< how many entries and `kept_group`s use this group
    std::uint64_t valid_from : 8 = 0;  ///< for `generations`: entries of earlier ones are outdated
};

}  // namespace pool::core
