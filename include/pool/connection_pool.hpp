// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <pool/basic_pool.hpp>
#include <pool/core/own_reaper.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/policies/lock.hpp>
#include <pool/settings.hpp>

/// @file
/// The ready-made pools that bound what is idle.

namespace pool {

/// The options of a `connection_pool`. Zero means no bound, or no expiration. A negative number keeps no connection at
/// all. A lent connection that is past its lifetime is closed when it is given back.
///
/// With an expiration, the connection of a key that was given back last is lent first, unless `reuse` says otherwise. So
/// those that are not needed expire. Without one it is the connection that was given back first. So none grows old, if
/// calls are frequent enough.
struct connection_pool_options {
    int capacity = 0;                                       ///< idle connections in all
    int key_capacity = 0;                                   ///< idle connections of one key
    after_idle expiration = std::chrono::nanoseconds{0};    ///< how long one may be idle: any duration, such as `30s`
    after_lifetime lifetime = std::chrono::nanoseconds{0};  ///< how long one may be open: any duration, such as `30min`
    double lifetime_jitter = 0.1;           ///< by which share of that, at most, each lives shorter, at random
    int max_uses = 0;                       ///< how often one may be lent
    std::optional<reuse_order> reuse = {};  ///< which idle connection of a key is lent first
    core::duration_option check_after = {};  ///< how long one is idle before its health is checked: zero is always
    core::duration_option keep_alive_every = {};  ///< how often an idle one is kept alive: zero is never
    std::string name = {};                  ///< how error messages call the pool
    bool discard_unless_kept = false;       ///< a lease is given back only after `lease::keep`
    bool trace_leases = false;              ///< keeps who has each connection, and since when: see `inspect`
    bool histograms = false;                ///< counts how long waits, uses, dials and closes take
    bool ghosts = false;                    ///< finds out what higher bounds would have saved: see `savings`
    event_observer on_event = {};           ///< is called for each event: see `pool_settings`
};

/// A thread-safe pool that closes expired connections by itself. With an expiration or a lifetime it has one thread,
/// which sleeps until the next connection expires, and ends with the pool. Otherwise as `basic_pool`.
template <class Key, class Conn, class ClockPolicy = std::chrono::steady_clock>
class connection_pool : public basic_pool<Key, Conn, bounded, core::own_expiry, std::mutex, ClockPolicy> {
    using base = basic_pool<Key, Conn, bounded, core::own_expiry, std::mutex, ClockPolicy>;

public:
    using expiry = core::own_expiry;  ///< `any_of<after_idle, after_lifetime, after_uses>`

    /// An empty pool. With an expiration or a lifetime, it starts its thread, and throws `std::system_error` if that fails.
    explicit connection_pool(connection_pool_options options = {}, ClockPolicy clock = ClockPolicy{})
        : base{bounds(options), policy(options), settings(options), std::move(clock)},
          reaper_{*this, policy(options)} {}

    /// The same, with a dial of its own, for calls that bring none. The pool and its lazy connections share the dial.
    /// Several threads may call it at once.
    template <class Dial>
    requires(!std::convertible_to<Dial, ClockPolicy>)
        connection_pool(connection_pool_options options, Dial dial, ClockPolicy clock = ClockPolicy{})
        : base{bounds(options), policy(options), settings(options), std::move(dial), std::move(clock)},
          reaper_{*this, policy(options)} {}

    /// Replaces all bounds, and evicts the idle connections that exceed them. Returns how many it evicted. O(n).
    std::size_t reconfigure(const bounded& bounds) { return base::reconfigure(bounds); }

    /// Replaces the expiration, the lifetime and the number of uses: see `basic_pool`. The pool's thread plans anew. If
    /// there is none, and one is needed, it starts: throws `std::system_error` if that fails; the policy is replaced then.
    template <std::same_as<expiry> Expiry>
    std::size_t reconfigure(Expiry fresh) {
        const auto life = reaper_.life();
        const std::size_t count = base::reconfigure(fresh);
        if (!life.expired()) reaper_.plan_anew(*this, fresh);  // a close may have ended this pool
        return count;
    }

    /// Forgets the connections of the parent, in the child of a fork: see `basic_pool`. Then starts the thread of the pool,
    /// if there was one. Throws `std::system_error` if it cannot, and `std::bad_alloc`.
    void abandon() {
        base::abandon();
        reaper_.abandon();
    }

private:
    static constexpr std::size_t bound(int option) noexcept {
        if (option == 0) return no_limit;
        return option < 0 ? 0 : static_cast<std::size_t>(option);
    }
    static bounded bounds(const connection_pool_options& options) {
        return {.max_idle = bound(options.capacity), .max_idle_per_key = bound(options.key_capacity)};
    }
    static expiry policy(const connection_pool_options& options) {
        return core::expiry_of_options(
            options.expiration, options.lifetime, options.lifetime_jitter, bound(options.max_uses));
    }
    static pool_settings settings(connection_pool_options& options) {
        return {.reuse = core::order_of_option(options.reuse, options.expiration),
            .name = std::move(options.name),
            .check_after = options.check_after.value,
            .keep_alive_every = options.keep_alive_every.value,
            .discard_unless_kept = options.discard_unless_kept,
            .trace_leases = options.trace_leases,
            .histograms = options.histograms,
            .ghosts = options.ghosts,
            .on_event = std::move(options.on_event)};
    }

    core::own_reaper<base> reaper_;
};

/// A pool for a single thread. It has no lock and no thread: call `expire()` yourself.
template <class Key, class Conn>
using local_pool = basic_pool<Key, Conn, bounded, after_idle, null_mutex>;

}  // namespace pool
