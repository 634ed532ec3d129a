// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <pool/basic_pool.hpp>
#include <pool/core/limit.hpp>
#include <pool/core/own_reaper.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/settings.hpp>

/// @file
/// The ready-made pool that bounds what is open.

namespace pool {

namespace core {

/// The CapacityPolicy of a `bounded_pool`: `bounded_open`, and the declaration that its calls may have a timeout.
struct bounds_with_timeout : bounded_open {
    static constexpr bool has_timeout = true;  ///< declares it

    constexpr bounds_with_timeout() noexcept = default;  ///< no bounds

    /// These bounds.
    constexpr explicit(false) bounds_with_timeout(const bounded_open& bounds) noexcept : bounded_open{bounds} {}
};

}  // namespace core

/// The options of a `bounded_pool`. The bounds are those of `bounded_open`, and `no_limit` means no bound.
///
/// With an expiration, the connection of a key that was given back last is lent first, unless `reuse` says otherwise. So
/// those that are not needed expire. Without one it is the connection that was given back first. So none grows old, if
/// calls are frequent enough.
struct bounded_pool_options {
    core::limit max_open = no_limit;          ///< open connections in all
    core::limit max_open_per_key = no_limit;  ///< open connections of one key
    core::limit max_idle = no_limit;          ///< idle connections in all
    core::limit max_idle_per_key = no_limit;  ///< idle connections of one key
    core::limit max_waiting = no_limit;       ///< callers that wait at once; a further one gets `queue_full`
    core::limit max_dials_per_key = 2;        ///< dials of one key at once
    core::time_limit patience = std::chrono::milliseconds{1};  ///< how long a waiting caller may be overtaken
    core::duration_option acquire_timeout = {};  ///< of calls that bring no deadline: any duration; zero is none
    after_idle expiration = std::chrono::nanoseconds{0};  ///< how long one may be idle: any duration; zero is for ever
    after_lifetime lifetime =
        std::chrono::nanoseconds{0};        ///< how long one may be open: any duration; zero is for ever
    double lifetime_jitter = 0.1;           ///< by which share of that, at most, each lives shorter, at random
    core::limit max_uses = no_limit;        ///< how often one may be lent
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

/// A thread-safe pool that bounds the open connections. While none is free, its callers wait in one queue, the oldest
/// first. It has one thread, which closes expired connections, and notices blocked connections that have been unblocked.
/// Otherwise as `basic_pool` with `bounded_open`.
///
/// By default it makes at most two dials of one key at once. So a peer that does not answer cannot take all permits of
/// the others, and a peer that has just come back is not flooded.
template <class Key, class Conn, class ClockPolicy = std::chrono::steady_clock>
class bounded_pool
    : public basic_pool<Key, Conn, core::bounds_with_timeout, core::own_expiry, std::mutex, ClockPolicy> {
    using base = basic_pool<Key, Conn, core::bounds_with_timeout, core::own_expiry, std::mutex, ClockPolicy>;

public:
    using expiry = core::own_expiry;  ///< `any_of<after_idle, after_lifetime, after_uses>`

    /// An empty pool. Starts its thread, and throws `std::system_error` if that fails. Throws
    /// `std::invalid_argument` for options with which every call would wait for ever or fail: a `max_open`, a
    /// `max_open_per_key` or a `max_dials_per_key` of zero, and a negative `acquire_timeout`.
    explicit bounded_pool(bounded_pool_options options = {}, ClockPolicy clock = ClockPolicy{})
        : base{bounds(options), policy(options), settings(options), std::move(clock)},
          reaper_{*this, policy(options)} {
        use(options.acquire_timeout);
    }

    /// The same, with a dial of its own, for calls that bring none. The pool and its lazy connections share the dial.
    /// Several threads may call it at once.
    template <class Dial>
    requires(!std::convertible_to<Dial, ClockPolicy>)
        bounded_pool(bounded_pool_options options, Dial dial, ClockPolicy clock = ClockPolicy{})
        : base{bounds(options), policy(options), settings(options), std::move(dial), std::move(clock)},
          reaper_{*this, policy(options)} {
        use(options.acquire_timeout);
    }

    /// Replaces all bounds, and evicts the idle connections that exceed them. Returns how many it evicted. O(n).
    std::size_t reconfigure(const bounded_open& bounds) { return base::reconfigure(bounds); }

    /// Replaces the expiration, the lifetime and the number of uses: see `basic_pool`. The pool's thread plans anew.
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
    /// The bounds, if calls could ever succeed with them.
    static bounded_open bounds(const bounded_pool_options& options) {
        const auto refuse = [&](const char* why) {
            throw std::invalid_argument{"pool \"" + options.name + "\": " + why};
        };
        if (options.max_open == 0) refuse("max_open is 0, so nothing could ever be opened");
        if (options.max_open_per_key == 0) refuse("max_open_per_key is 0, so nothing could ever be opened");
        if (options.max_dials_per_key == 0) refuse("max_dials_per_key is 0, so nothing could ever be opened");
        if (options.acquire_timeout.value < std::chrono::nanoseconds::zero()) refuse("acquire_timeout is negative");
        return {.max_open = options.max_open,
            .max_open_per_key = options.max_open_per_key,
            .max_idle = options.max_idle,
            .max_idle_per_key = options.max_idle_per_key,
            .max_waiting = options.max_waiting,
            .max_dials_per_key = options.max_dials_per_key,
            .patience = options.patience};
    }
    static expiry policy(const bounded_pool_options& options) {
        return core::expiry_of_options(
            options.expiration, options.lifetime, options.lifetime_jitter, options.max_uses());
    }
    static pool_settings settings(bounded_pool_options& options) {
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

    void use(core::duration_option timeout) noexcept {
        if constexpr (core::accepted<base>) {
            if (timeout.value != timeout.value.zero()) this->limit_waits(timeout.value);
        }
    }

    core::own_reaper<base> reaper_;
};

}  // namespace pool
