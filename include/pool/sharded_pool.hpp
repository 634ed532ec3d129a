// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <mutex>
#include <utility>

#include <pool/core/pool_facade.hpp>
#include <pool/core/requirements.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/policies/lock.hpp>
#include <pool/settings.hpp>

/// @file
/// A pool for many threads over many keys: several locks instead of one.

namespace pool {

namespace core {

/// The capacity of one shard. The bound of a key is not divided, because all connections of a key are in one shard.
/// `max_idle` is divided, and so is the bound on the weight: if there is a remainder, the first shards get one more.
template <class CapacityPolicy, std::size_t Shards>
struct shard_capacity {
    [[no_unique_address]] CapacityPolicy whole;  ///< the capacity of the whole pool
    std::size_t shard;                           ///< the number of the shard, from 0

    /// In this shard.
    constexpr std::size_t max_idle() const noexcept { return share_of(whole.max_idle()); }
    /// Of one key.
    constexpr std::size_t max_idle_for(const auto& key) const noexcept { return whole.max_idle_for(key); }

    static constexpr bool bounds_weight = declares_weight_bound<CapacityPolicy>;  ///< whether the whole pool does

    /// In this shard.
    constexpr std::size_t max_idle_weight() const noexcept { return share_of(core::weight_bound(whole)); }

    /// The part of a bound that this shard has.
    constexpr std::size_t share_of(std::size_t total) const noexcept {
        return total == no_limit ? no_limit : total / Shards + (shard < total % Shards ? 1 : 0);
    }
};

/// A lock that is aligned to a cache line. So each object that contains it fills whole cache lines, and two shards
/// never share one.
template <class LockPolicy>
class alignas(64) padded_lock {
public:
    void lock() { lock_.lock(); }      ///< calls the LockPolicy's
    void unlock() { lock_.unlock(); }  ///< calls the LockPolicy's

    /// Calls the LockPolicy's, if it has one.
    bool try_lock()
        requires requires(LockPolicy& lock) { lock.try_lock(); }
    {
        return lock_.try_lock();
    }

    /// Whether the calling thread holds it, where LockPolicy knows.
    bool held() const noexcept
        requires requires(const LockPolicy& lock) { lock_traits<LockPolicy>::held(lock); }
    {
        return lock_traits<LockPolicy>::held(lock_);
    }

private:
    [[no_unique_address]] LockPolicy lock_;
};

/// Checks the parameters of a sharded pool.
template <std::size_t Shards, class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy,
    class ClockPolicy>
consteval bool check_shards() {
    static_assert(Shards >= 2, "pool: a sharded_pool needs two shards or more: with one it is a basic_pool");
    constexpr bool bounds_open = declares_open_bounds<CapacityPolicy>;
    static_assert(!bounds_open,
        "pool: a sharded_pool cannot bound what is open: callers wait in one queue, and each shard would have its own");
    constexpr bool can_copy = std::copy_constructible<CapacityPolicy> && std::copy_constructible<ExpiryPolicy>;
    static_assert(can_copy, "pool: the policies of a sharded_pool must be copyable: each shard has its own");
    if constexpr (Shards < 2 || bounds_open || !can_copy) return false;
    else return check_parameters<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>();
}

/// The base of a sharded pool.
template <std::size_t Shards, class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy,
    class ClockPolicy>
using sharded_facade =
    facade_if<check_shards<Shards, Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>(), Shards, Key,
        Conn, shard_capacity<CapacityPolicy, Shards>, ExpiryPolicy, padded_lock<LockPolicy>, ClockPolicy>;

}  // namespace core

/// As LockPolicy. Nobody waits with it.
template <class LockPolicy>
struct lock_traits<core::padded_lock<LockPolicy>> {
    /// Whether the calling thread holds it.
    static bool held(const core::padded_lock<LockPolicy>& lock) noexcept
        requires requires { lock.held(); }
    {
        return lock.held();
    }
};

/// A pool of several shards, each with its own lock. The hash of a key chooses the shard, so threads that use different
/// keys seldom wait for each other. It has the operations and the guarantees of `basic_pool`, with these differences:
/// - `max_idle` is divided among the shards, so all together never keep more. A full shard evicts its own oldest
///   connection, even if another shard has room or an older one. If `max_idle` is less than the number of shards, the
///   last shards keep nothing, and connections of their keys are never reused. So choose a value many times the number
///   of shards, or bound only each key: that bound is exact.
/// - `stats()` adds snapshots of the shards, which are not taken at the same instant. An equation that holds in each
///   snapshot also holds in the sum.
/// - `clear()`, `expire()`, `reconfigure()` and `close()` take one shard after the other, and close in the order of
///   each. After two concurrent calls of `reconfigure()`, some shards may have the bounds of one call and some those of
///   the other.
/// - Each shard has a copy of the policies. Several threads may use these copies at the same time.
/// - It cannot bound the open connections.
template <std::size_t Shards, class Key, class Conn, class CapacityPolicy = unlimited, class ExpiryPolicy = never,
    class LockPolicy = std::mutex, class ClockPolicy = std::chrono::steady_clock>
class sharded_pool
    : public core::sharded_facade<Shards, Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy> {
    using shard_capacity = core::shard_capacity<CapacityPolicy, Shards>;
    using base = core::sharded_facade<Shards, Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>;

public:
    using lock_type = LockPolicy;  ///< the parameter

    /// An empty pool. Throws what the policies' copies throw, and `std::bad_alloc`.
    explicit sharded_pool(CapacityPolicy capacity = CapacityPolicy{}, ExpiryPolicy expiry = ExpiryPolicy{},
        pool_settings settings = {}, ClockPolicy clock = ClockPolicy{})
        : base{[&](std::size_t i) { return shard_capacity{capacity, i}; }, std::move(expiry), std::move(settings),
              std::move(clock)} {}

    /// The same, with a dial of its own, for calls that bring none. The pool and its lazy connections share the dial.
    /// Several threads may call it at once. Throws what its move throws, too.
    template <class Dial>
        requires(!std::convertible_to<Dial, ClockPolicy>)
    sharded_pool(CapacityPolicy capacity, ExpiryPolicy expiry, pool_settings settings, Dial dial,
        ClockPolicy clock = ClockPolicy{})
        : sharded_pool{std::move(capacity), std::move(expiry), std::move(settings), std::move(clock)} {
        if constexpr (core::accepted<base>) this->own(std::move(dial));
    }

    /// Makes room in the indices of keys. Each shard gets its part of `count` and an eighth more, because keys are not
    /// spread evenly. Until a shard has more connections than that, no operation has to make its index grow. If most
    /// connections are of a few keys, reserve more: all connections of a key are in one shard. Throws `std::bad_alloc`,
    /// and `std::length_error` if no memory could hold so many.
    void reserve(std::size_t count) {
        this->check_room(count);
        for (const auto& state : this->states()) state->reserve(count / Shards + count / Shards / 8 + 1);
    }

    /// Replaces the capacity policy, and closes the idle connections that exceed it, or that are dead. Returns how
    /// many. O(n).
    std::size_t reconfigure(CapacityPolicy capacity) {
        std::size_t shard = 0;
        return this->sum([&](auto& state) {
            shard_capacity part{capacity, shard++};
            return state.reconfigure(part);
        });
    }

    /// Replaces the expiry policy, and closes the idle connections that have expired by it. Returns how many. O(n). What
    /// is given back from now on expires by the new policy. An idle connection keeps its expiry time, unless the new
    /// policy has an earlier one for a connection that is given back now. So no idle connection lives longer than by
    /// the old policy.
    ///
    /// A reaper that sleeps wakes up when it has planned to. `reaper::wake` makes it plan again.
    template <std::same_as<ExpiryPolicy> Policy>
    std::size_t reconfigure(Policy expiry) {
        static_assert(
            Policy::can_expire, "pool: this pool's ExpiryPolicy has nothing to reconfigure: it cannot expire");
        if constexpr (Policy::can_expire)
            return this->sum([&](auto& state) {
                Policy part{expiry};
                return state.reconfigure_expiry(part);
            });
        else return 0;
    }
};

}  // namespace pool
