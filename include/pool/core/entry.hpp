// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

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

    Conn conn;             ///< the connection
    held* next = nullptr;  ///< outside the container, where it may be one of several
};

/// Connections outside the container, in order. One goes from and to an entry at once, without allocating and without
/// moving. To have none costs next to nothing, and nearly every step of a pool leaves none.
template <class Conn>
class connections {
public:
    using holder = std::unique_ptr<held<Conn>>;  ///< one

    connections() = default;

    /// Leaves `other` empty.
    connections(connections&& other) noexcept { append(other); }

    /// Destroys its own, and leaves `other` empty.
    connections& operator=(connections&& other) noexcept {
        clear();
        append(other);
        return *this;
    }

    ~connections() {
        if (!empty()) clear();
    }

    bool empty() const noexcept { return first_ == nullptr; }  ///< whether there is none
    std::size_t size() const noexcept { return size_; }        ///< how many there are
    held<Conn>& front() noexcept { return *first_; }           ///< the first; there has to be one

    /// Makes one at the end, of what `make()` returns. Strong guarantee.
    template <class Make>
    void emplace_back(const Make& make) {
        append(std::make_unique<held<Conn>>(make));
    }

    /// Adds one at the end.
    void append(holder one) noexcept {
        *end_ = one.release();
        end_ = &(*end_)->next;
        ++size_;
    }

    /// Moves all of `others` to the end.
    void append(connections& others) noexcept {
        if (others.empty()) return;
        *end_ = others.first_;
        end_ = others.end_;
        size_ += others.size_;
        others.forget();
    }

    /// Takes the first one out; there has to be one.
    holder pop_front() noexcept {
        holder first{first_};
        first_ = std::exchange(first->next, nullptr);
        if (--size_ == 0) end_ = &first_;
        return first;
    }

    /// Destroys them, the first one first.
    void clear() noexcept {
        while (!empty()) pop_front();
    }

private:
    void forget() noexcept {
        first_ = nullptr;
        end_ = &first_;
        size_ = 0;
    }

    held<Conn>* first_ = nullptr;
    held<Conn>** end_ = &first_;  ///< where the next one goes
    std::size_t size_ = 0;
};

template <class Key, class Conn, class TimePoint>
class entry_store;

/// One connection that a store knows. It is idle exactly while it is linked into its group's list.
template <class Key, class Conn, class TimePoint>
class entry : public boost::intrusive::list_base_hook<> {
    /// What all entries of one key share. It lives as long as its last entry.
    struct group : boost::intrusive_ref_counter<group, boost::thread_unsafe_counter> {
        template <class OwnKey>
        group(OwnKey&& own, std::size_t hash_of_key) : key(std::forward<OwnKey>(own)), hash{hash_of_key} {}

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

    Conn& conn() noexcept { return held_->conn; }           ///< at one address from insertion to removal
    const Key& key() const noexcept { return home_->key; }  ///< what it was inserted for

    hashed_key<Key> wanted() const noexcept { return {key_view<Key>(home_->key), home_->hash}; }  ///< what it is found by

    // Notes of whoever holds the lent entry; the store does not read them.
    int exceptions = 0;   ///< how many were on their way when it was lent, or its lease moved
    bool reused = false;  ///< it was idle before it was lent

private:
    friend entry_store<Key, Conn, TimePoint>;

    const group* home() const noexcept { return home_.get(); }

    group_ptr home_;
    typename connections<Conn>::holder held_;  ///< exactly one
    [[no_unique_address]] std::conditional_t<timed, deadlines, no_deadlines> deadlines_;
};

}  // namespace pool
