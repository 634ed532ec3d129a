// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include <boost/intrusive/list.hpp>

#include <pool/connection.hpp>
#include <pool/connection_state.hpp>
#include <pool/core/entry_parts.hpp>
#include <pool/core/generations.hpp>
#include <pool/core/key_group.hpp>

/// @file
/// The record of one connection, with the connection in it.

namespace pool::core {

template <class Key, class Conn, class Parts>
class entry_index;
template <class Key, class Conn, class Parts>
class entry_places;
template <class Key, class Conn, class Parts>
class entry_store;
template <class Key, class Conn, class Parts>
class lending_store;

/// The part of an entry that is there if callers may wait for its connection.
struct awaited_entry : blocked_hook {
    std::uint64_t age = 0;  ///< while it is idle: the lower, the older
};

/// The same if nobody waits: nothing.
struct unawaited_entry {};

/// One connection of a store. It is constructed and destroyed inside its entry, so a Conn need not be movable. Both run
/// the caller's code, so they are left to the user of the store.
///
/// `Parts` is an `entry_parts`: what an entry has besides its connection.
template <class Key, class Conn, class Parts>
class entry : public boost::intrusive::list_base_hook<>,
              public std::conditional_t<Parts::can_wait, awaited_entry, unawaited_entry> {
    static constexpr bool timed = Parts::timed;
    static constexpr bool can_wait = Parts::can_wait;
    using time_point = typename Parts::time_point;

    struct expiry {
        time_point at;       ///< while it is idle: when it expires; max() is never
        time_point indexed;  ///< its time in the index, a lower bound: see `entry_store`
    };
    struct tending {
        time_point at{};          ///< when its peer was last heard of: by its caller, or by a keep-alive
        std::uint64_t order = 0;  ///< while it is idle: the lower, the longer
    };
    struct weight_part {
        std::size_t weight = 0;  ///< when it was last asked
    };
    struct no_weight {};

    /// The present owner of the connection [C1].
    enum class place : unsigned char {
        opening,  ///< with the caller that opens its connection; there is none yet
        lent,     ///< with a caller
        unused,   ///< the same, but the caller has not used it: its check has not passed, or it is kept alive
        idle,     ///< in the list of its group
        closing,  ///< with the caller that closes its connection
    };

public:
    using key_type = Key;                           ///< the parameter
    using connection_type = Conn;                   ///< the parameter
    using parts = Parts;                            ///< the parameter
    using group = key_group<Key, entry, can_wait>;  ///< the part that all entries of a key share

    /// An entry without a connection. The index has it at `earliest`.
    entry(group& of, [[maybe_unused]] time_point earliest) noexcept : group_{&of} {
        if constexpr (timed) expiry_.indexed = earliest;
    }

    entry(const entry&) = delete;
    entry& operator=(const entry&) = delete;

    ~entry() { destroy(); }

    /// Constructs the connection in the entry, from the result of `make()`. If `make()` throws, the entry has no
    /// connection.
    template <class Make>
    void construct(Make&& make) {
        ::new (static_cast<void*>(std::addressof(conn_))) Conn(std::forward<Make>(make)());
        has_conn_ = true;
    }

    /// Destroys the connection, if there is one. From the begin of that there is none: a fork may come in between.
    void destroy() noexcept {
        if (!has_conn_) return;
        has_conn_ = false;
        std::atomic_signal_fence(std::memory_order_seq_cst);
        std::destroy_at(std::addressof(conn_));
    }

    bool has_conn() const noexcept { return has_conn_; }                  ///< from `construct` to `destroy`
    Conn& conn() noexcept { return conn_; }                               ///< its address never changes
    const Conn& conn() const noexcept { return conn_; }                   ///< its address never changes
    const Key& key() const noexcept { return group_->key; }               ///< what it was made for
    hashed_key<Key> hashed() const noexcept { return group_->hashed(); }  ///< the key with its hash, for a look-up
    group& of() const noexcept { return *group_; }                        ///< what the entries of its key share
    /// When it became idle. Meaningless before it was idle for the first time. While it is lent, this is when it was
    /// last given back.
    time_point idle_since() const noexcept
        requires Parts::has_since
    {
        return idle_since_;
    }

    /// Asks the connection for its weight, before it may become idle. For the holder of the entry, without the lock.
    void weigh() noexcept {
        if constexpr (Parts::weighed) weight_.weight = connection_traits<Conn>::weight(conn_);
    }
    /// Its weight when it was last asked; 0 if nobody asks.
    std::size_t weight() const noexcept {
        if constexpr (Parts::weighed) return weight_.weight;
        else return 0;
    }

    bool is_opening() const noexcept { return place_ == place::opening; }  ///< with the caller that opens it
    bool is_lent() const noexcept { return place_ == place::lent || is_unused(); }  ///< with a caller
    bool is_idle() const noexcept { return place_ == place::idle; }        ///< with the pool

    /// Where its connection is, for callers.
    connection_state state() const noexcept {
        if (is_idle()) return connection_state::idle;
        if (is_lent()) return connection_state::lent;
        return is_opening() ? connection_state::dialling : connection_state::closing;
    }

    /// Whether it is lent, and nobody has used it since: its check has not passed, or it is kept alive. If it comes back so,
    /// it is as old as before.
    bool is_unused() const noexcept {
        if constexpr (has_check<Conn> || has_keep_alive<Conn>) return place_ == place::unused;
        else return false;
    }
    /// When it expires if it is idle, or comes back unused.
    time_point expires_at() const noexcept
        requires timed
    {
        return expiry_.at;
    }

    using opening_time = part<Parts::has_opened, time_point, 0>;  ///< when its connection was opened, or nothing
    using wear_type = part<Parts::has_wear, wear, 1>;             ///< its `wear`, or nothing

    /// The facts that an entry learns when its connection is open.
    struct birth {
        [[no_unique_address]] opening_time opened{};  ///< now
        [[no_unique_address]] wear_type worn{};       ///< its number, and no use
    };

    opening_time opened() const noexcept { return opened_; }  ///< when its connection was opened
    wear_type worn() const noexcept { return worn_; }         ///< how often it was used, and its own number

    /// Counts that it has been used.
    void count_use() noexcept {
        if constexpr (Parts::has_wear)
            if (worn_.uses != wear::most_uses) worn_.uses = (worn_.uses + 1) & wear::most_uses;
    }

    /// How often processes have forked until the process that has opened it: see `guarded_parts::abandon`.
    unsigned forks() const noexcept { return forks_; }
    static constexpr unsigned most_forks = 0x1f;  ///< more are not told apart

    // For the holder of the lent entry. The store sets them only when it makes the entry, or lends it, so they share a
    // byte with what the holder changes.
    signed char exceptions = 0;  ///< uncaught ones when it was lent, or when its lease moved
    bool reused : 1 = false;     ///< it was idle before it was lent

private:
    friend entry_index<Key, Conn, Parts>;
    friend entry_places<Key, Conn, Parts>;
    friend entry_store<Key, Conn, Parts>;
    friend lending_store<Key, Conn, Parts>;
    friend generations<entry>;

    const group* indexed_group() const noexcept { return group_; }

    bool has_conn_ : 1 = false;
    unsigned char forks_ : 5 = 0;
    // Read by sweeps: they share no byte with what the holder changes.
    place place_ = place::opening;
    generation generation_ = 0;  ///< that of the pool, when the connection began to be opened
    [[no_unique_address]] wear_type worn_{};
    union {
        Conn conn_;  ///< from `construct` to `destroy`
    };
    group* const group_;
    [[no_unique_address]] opening_time opened_{};
    [[no_unique_address]] part<timed, expiry, 2> expiry_;
    [[no_unique_address]] part<Parts::has_since, time_point, 3> idle_since_{};
    [[no_unique_address]] part<Parts::is_tended, tending, 4> tending_{};
    [[no_unique_address]] std::conditional_t<Parts::weighed, weight_part, no_weight> weight_;
};

}  // namespace pool::core
