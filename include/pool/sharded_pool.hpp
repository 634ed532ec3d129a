// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include <pool/core/key.hpp>
#include <pool/core/pool_interface.hpp>
#include <pool/core/pool_state.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/expiry.hpp>

/// @file
/// A pool for many threads over many keys: several locks instead of one.

namespace pool {

/// Which of the shards a key of this hash is in. By the high bits of a multiplicative hash (Knuth, The Art of Computer
/// Programming, volume 3, 6.4: the golden ratio spreads even the hashes of integers, which are the integers), and from
/// these by a multiplication (Lemire, Fast Random Integer Generation in an Interval, 2019). The index of each shard
/// takes the remainder of a division by a prime, and so is filled as evenly as that of a whole pool.
template <std::size_t Shards>
constexpr std::size_t shard_of(std::size_t hash) noexcept {
    const std::uint64_t mixed = std::uint64_t{hash} * 0x9e37'79b9'7f4a'7c15;
    return static_cast<std::size_t>((mixed >> 32) * Shards >> 32);
}

/// What a capacity policy leaves to one of several shards. The bound of a key is whole, because all its connections are
/// in one shard. The total is divided: the first shards get one more, if it leaves a remainder.
template <class CapacityPolicy, std::size_t Shards>
struct share_of {
    [[no_unique_address]] CapacityPolicy whole;  ///< what is divided
    std::size_t shard;                           ///< whose share it is, from 0

    /// In this shard.
    constexpr std::size_t max_idle() const noexcept {
        const std::size_t total = whole.max_idle();
        return total == no_limit ? no_limit : total / Shards + (shard < total % Shards ? 1 : 0);
    }
    /// Of one key.
    constexpr std::size_t max_idle_for(const auto& key) const noexcept { return whole.max_idle_for(key); }
};

/// A lock that begins a cache line, and so makes the size of what has it whole lines: no two shards share one.
template <class LockPolicy>
class alignas(64) lock_of_shard {
public:
    void lock() { lock_.lock(); }      ///< as LockPolicy
    void unlock() { lock_.unlock(); }  ///< as LockPolicy

private:
    [[no_unique_address]] LockPolicy lock_;
};

/// The parts of a pool that has several.
template <std::size_t Shards, class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy,
    class ClockPolicy>
class shards : public pool_parameters<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy> {
    using share = share_of<CapacityPolicy, Shards>;

public:
    using state_type = pool_state<Key, Conn, share, ExpiryPolicy, lock_of_shard<LockPolicy>, ClockPolicy>;  ///< one of them

    /// Without connections.
    shards(const CapacityPolicy& capacity, const ExpiryPolicy& expiry, const pool_settings& settings,
        const ClockPolicy& clock) {
        for (std::size_t i = 0; i < Shards; ++i)
            states_[i] = {new state_type{share{capacity, i}, expiry, settings, clock}, &state_type::abandon};
    }

    /// That of the key.
    const std::shared_ptr<state_type>& of(const hashed_key<Key>& wanted) const noexcept {
        return states_[shard_of<Shards>(wanted.hash)];
    }
    /// That of a key that is not hashed yet.
    const std::shared_ptr<state_type>& of(key_view<Key> key) const { return of(hashed_key<Key>{key}); }
    /// The first.
    const std::shared_ptr<state_type>& any() const noexcept { return states_.front(); }

    /// Calls `act` with each.
    void each(const auto& act) const {
        for (const auto& state : states_) act(*state);
    }
    /// What `ask` says of each, added up.
    auto sum(const auto& ask) const {
        return combine(ask, [](auto& all, const auto& next) { all += next; });
    }
    /// What `ask` says of each, joined.
    auto combine(const auto& ask, const auto& join) const {
        auto all = ask(*states_.front());
        for (std::size_t i = 1; i < Shards; ++i) join(all, ask(*states_[i]));
        return all;
    }

    /// Divides it, and an eighth more, because keys do not divide evenly.
    void reserve(std::size_t count) const {
        for (const auto& state : states_) state->reserve(count / Shards + count / Shards / 8 + 1);
    }

    /// Divides another capacity.
    std::size_t reconfigure(const CapacityPolicy& capacity) const {
        std::size_t evicted = 0;
        for (std::size_t i = 0; i < Shards; ++i) {
            share its{capacity, i};
            evicted += states_[i]->reconfigure(its);
        }
        return evicted;
    }

private:
    std::array<std::shared_ptr<state_type>, Shards> states_;
};

/// A pool of `Shards` parts, each behind a lock of its own, of which a key's hash chooses. Threads that ask for
/// different keys seldom wait for each other then. What a caller can do is the same as with `basic_pool`, and so is
/// what it is promised, but for this:
/// - The total bound is divided, so that all shards together never keep more. A shard that is full evicts its own
///   oldest, though others may have room, or older ones. A total below the number of shards leaves the last ones
///   nothing to keep, and their keys without reuse. So choose one that is many times as great, or bound only the keys:
///   that bound is exact.
/// - `stats()` is a snapshot of each shard, but not of all at one instant. What holds in each holds in their sum, too.
/// - `clear()`, `expire()`, `reconfigure()` and `close()` take one shard after the other, and the order in which they
///   close is that of each. Of two `reconfigure()` at once, each may have the last word in some of the shards.
/// - Each shard has a copy of the policies. Several threads may ask the copies at once.
/// - It cannot bound what is open.
template <std::size_t Shards, class Key, class Conn, class CapacityPolicy = unlimited, class ExpiryPolicy = never,
    class LockPolicy = std::mutex, class ClockPolicy = std::chrono::steady_clock>
class sharded_pool
    : public pool_interface<shards<Shards, Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>> {
    static_assert(Shards >= 2, "pool: a sharded_pool needs two shards or more: with one it is a basic_pool");
    static_assert(!declares_open_bounds<CapacityPolicy>,
        "pool: a sharded_pool cannot bound what is open: callers take turns in one queue, and each shard would have "
        "its own");
    static_assert(std::copy_constructible<CapacityPolicy> && std::copy_constructible<ExpiryPolicy>,
        "pool: the policies of a sharded_pool must be copyable: each shard has its own");

    using base = pool_interface<shards<Shards, Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>>;

public:
    /// An empty pool. Throws what the policies' copies throw, and `std::bad_alloc`.
    explicit sharded_pool(CapacityPolicy capacity = CapacityPolicy{}, ExpiryPolicy expiry = ExpiryPolicy{},
        pool_settings settings = {}, ClockPolicy clock = ClockPolicy{})
        : base{std::move(capacity), std::move(expiry), std::move(settings), std::move(clock)} {}
};

}  // namespace pool
