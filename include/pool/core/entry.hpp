// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include <boost/intrusive/list.hpp>

#include <pool/core/key.hpp>

/// @file
/// What the store is made of: a record for each connection, with the connection in it.

namespace pool {

/// Stands for a point in time where nothing expires.
struct no_time {};

template <class Key, class Conn, class TimePoint>
class entry_store;

/// One connection that a store knows, in its place: it is opened and destroyed there, so that a Conn need not be movable,
/// and both happen outside of the store, as they are the caller's code.
template <class Key, class Conn, class TimePoint>
class entry : public boost::intrusive::list_base_hook<> {
    /// What all entries of one key share. It lives as long as anything uses it.
    struct group {
        explicit group(const hashed_key<Key>& wanted) : key(wanted.key), hash{wanted.hash} {}

        hashed_key<Key> wanted() const noexcept { return {key_view<Key>(key), hash}; }

        const Key key;
        const std::size_t hash;
        boost::intrusive::list<entry> idle;  ///< in the order they were given back
        std::size_t lent = 0;
        std::size_t uses = 0;  ///< entries, wherever they are, and others who keep the key
    };

    static constexpr bool timed = !std::is_same_v<TimePoint, no_time>;

    struct deadlines {
        TimePoint due = TimePoint::max();  ///< the true one; max(), which is never, while it is not idle
        TimePoint indexed = due;           ///< where the index has it: not later than `due`
    };
    struct no_deadlines {};

    /// Where it is [C1].
    enum class place : unsigned char {
        opening,  ///< with whoever opens its connection; there is none yet
        lent,     ///< with a caller
        idle,     ///< in the list of its group
        leaving,  ///< with whoever closes its connection
    };

public:
    using key_type = Key;  ///< the parameter

    /// The store's: without a connection at first.
    entry(group& home, [[maybe_unused]] TimePoint earliest) noexcept : home_{&home} {
        if constexpr (timed) deadlines_.indexed = earliest;
    }

    entry(const entry&) = delete;
    entry& operator=(const entry&) = delete;

    ~entry() { destroy(); }

    /// Opens the connection in its place: it is what `make()` returns. Throws what that throws, and has none then.
    template <class Make>
    void open(Make&& make) {
        ::new (static_cast<void*>(std::addressof(conn_))) Conn(std::forward<Make>(make)());
        has_conn_ = true;
    }

    /// Destroys the connection, if there is one.
    void destroy() noexcept {
        if (std::exchange(has_conn_, false)) std::destroy_at(std::addressof(conn_));
    }

    Conn& conn() noexcept { return conn_; }                 ///< at one address all its life
    const Key& key() const noexcept { return home_->key; }  ///< what it was made for

    hashed_key<Key> wanted() const noexcept { return home_->wanted(); }  ///< what it is found by

    // Notes of whoever holds the lent entry; the store only sets the second.
    int exceptions = 0;   ///< how many were on their way when it was lent, or its lease moved
    bool reused = false;  ///< it was idle before it was lent

private:
    friend entry_store<Key, Conn, TimePoint>;

    const group* home() const noexcept { return home_; }
    bool is_idle() const noexcept { return place_ == place::idle; }

    place place_ = place::opening;
    bool has_conn_ = false;
    group* const home_;
    union {
        Conn conn_;  ///< from `open` to `destroy`
    };
    [[no_unique_address]] std::conditional_t<timed, deadlines, no_deadlines> deadlines_;
};

}  // namespace pool
