// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <list>
#include <type_traits>

#include <boost/intrusive/list.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <pool/core/key.hpp>

/// @file
/// What the store is made of: connections, and the entries that they are known by.

namespace pool {

/// Stands for a point in time where nothing expires.
struct no_time {};

/// A connection in place. It is made there, so that a Conn need not be movable.
template <class Conn>
struct held {
    /// Holds what `make()` returns.
    template <class Make>
    explicit held(const Make& make) : conn(make()) {}

    Conn conn;  ///< the connection
};

/// Connections outside the container. A list, because a node of it goes from and to an entry at once, without allocating
/// and without moving what is in it.
template <class Conn>
using connections = std::list<held<Conn>>;

template <class Key, class Conn, class TimePoint>
class entry_store;

/// One connection that a store knows. It is idle exactly while it is linked into its group's list.
template <class Key, class Conn, class TimePoint>
class entry : public boost::intrusive::list_base_hook<> {
    /// What all entries of one key share. It lives as long as its last entry.
    struct group : boost::intrusive_ref_counter<group, boost::thread_unsafe_counter> {
        explicit group(const hashed_key<Key>& wanted) : key(wanted.key), hash{wanted.hash} {}

        const Key key;
        const std::size_t hash;
        boost::intrusive::list<entry> idle;  ///< in the order they were given back
        std::size_t lent = 0;
    };
    using group_ptr = boost::intrusive_ptr<group>;

    static constexpr bool timed = !std::is_same_v<TimePoint, no_time>;

    struct deadlines {
        TimePoint due = TimePoint::max();  ///< the true one; max(), which is never, while lent
        TimePoint indexed = due;           ///< where the index has it: not later than `due`
    };
    struct no_deadlines {};

public:
    using key_type = Key;  ///< the parameter

    /// The store's: without a connection at first.
    entry(const group_ptr& home, [[maybe_unused]] TimePoint earliest) : home_{home} {
        if constexpr (timed) deadlines_.indexed = earliest;
    }

    Conn& conn() noexcept { return conn_.front().conn; }    ///< at one address from insertion to removal
    const Key& key() const noexcept { return home_->key; }  ///< what it was inserted for

    hashed_key<Key> wanted() const noexcept { return {key_view<Key>(home_->key), home_->hash}; }  ///< what it is found by

    // Notes of whoever holds the lent entry; the store does not read them.
    int exceptions = 0;   ///< how many were on their way when it was lent, or its lease moved
    bool reused = false;  ///< it was idle before it was lent

private:
    friend entry_store<Key, Conn, TimePoint>;

    const group* home() const noexcept { return home_.get(); }

    group_ptr home_;
    connections<Conn> conn_;  ///< exactly one
    [[no_unique_address]] std::conditional_t<timed, deadlines, no_deadlines> deadlines_;
};

}  // namespace pool
