// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <pool/core/warmth.hpp>
#include <pool/event.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/clock.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/settings.hpp>
#include <pool/stats.hpp>

#include <support/fake.hpp>

/// @file
/// A pool of any policies, as histories use it. So only the calls are compiled for each combination of policies.

namespace histories {

using clock = pool::manual_clock;
using time_point = clock::time_point;

/// Histories know a key by its number.
inline const std::array<std::string, 4> keys{"a", "b", "c", "a key that is longer than the buffer of a short string"};

/// What decides a pool's behaviour.
struct settings {
    std::size_t max_idle = 0;
    std::size_t max_idle_per_key = 0;
    pool::after_idle ttl;
    pool::after_lifetime lifetime{};        ///< for pools whose policy depends on the age
    std::size_t max_uses = pool::no_limit;  ///< likewise
    pool::reuse_order reuse = pool::reuse_order::oldest_first;
    std::chrono::nanoseconds check_after{0};       ///< for pools of tended connections
    std::chrono::nanoseconds keep_alive_every{0};  ///< likewise
    bool is_observed = true;
    pool::event_observer on_event = {};            ///< if it is
};

/// The policy that depends on all of them.
using aging = pool::any_of<pool::after_idle, pool::after_lifetime, pool::after_uses>;

/// The bounds that a capacity policy answers.
struct idle_bounds {
    std::size_t in_all;
    std::array<std::size_t, keys.size()> of;
    bool has_weight = false;  ///< the pool knows what its idle connections weigh
    std::size_t weight = pool::no_limit;
    bool bounds_open = false;  ///< the pool could bound what is open, too
};

/// A pool and its leases. A lease is known by the number of its connection, and may outlive the pool.
class some_pool {
public:
    struct lent {
        int id = 0;
        bool reused = false;
    };
    using dial = std::function<fake::connection(const std::string&)>;
    using use = std::function<void(fake::connection&)>;

    some_pool() = default;
    some_pool(const some_pool&) = delete;
    some_pool& operator=(const some_pool&) = delete;
    virtual ~some_pool() = default;

    /// Destroys the pool, but not the leases.
    virtual void end() = 0;

    virtual lent acquire(std::size_t of, const dial& by) = 0;
    virtual std::optional<lent> try_acquire(std::size_t of) = 0;
    virtual std::optional<fake::connection> take(std::size_t of) = 0;
    virtual void put(std::size_t of, fake::connection conn) = 0;
    virtual void invoke(std::size_t of, const dial& by, const use& act) = 0;
    /// Calls `half_way()` after the first of two messages, and `at_end()` after the second, unless `is_dropped`.
    virtual void stream(std::size_t of, const dial& by, const std::function<void()>& half_way, bool is_dropped,
        const std::function<void()>& at_end) = 0;

    virtual pool::prewarmed prewarm(std::size_t of, std::size_t count, const dial& by) = 0;
    virtual void min_idle(std::size_t of, std::size_t count, const dial& by) = 0;

    virtual void give_back(int id) = 0;
    virtual void discard(int id) = 0;
    virtual fake::connection detach(int id) = 0;

    virtual std::size_t expire() = 0;  ///< as `upkeep`, if nothing can expire
    virtual std::size_t upkeep() = 0;
    virtual time_point next_expiry() const = 0;
    virtual time_point next_upkeep() const = 0;
    virtual std::size_t clear(std::size_t of) = 0;
    virtual std::size_t clear() = 0;
    virtual std::size_t invalidate(std::size_t of) = 0;
    virtual std::size_t invalidate() = 0;
    virtual void pause() = 0;
    virtual void resume() = 0;
    virtual bool is_paused() const = 0;
    virtual std::size_t reconfigure(const settings& chosen) = 0;
    virtual std::size_t reconfigure_expiry(const settings& chosen) = 0;
    virtual std::size_t close() = 0;  ///< how many closes failed
    virtual pool::stats stats() const = 0;
    virtual pool::key_stats stats(std::size_t of) const = 0;
};

/// A combination of policies.
struct policies {
    const char* name;
    bool can_expire;
    bool can_age;    ///< the policy is `aging`
    bool is_tended;  ///< its connections have hooks
    idle_bounds (*bounds)(const settings&);
    std::unique_ptr<some_pool> (*make)(const settings&, const clock&);
};

/// All combinations, in files by the stores that they have in common, which take longest to compile. The sanitizers
/// have only some, with each policy at least once.
std::span<const policies> pools_that_expire();
std::span<const policies> pools_that_never_expire();
std::span<const policies> pools_that_bound_open();
/// Some combinations with connections that are checked, reset and kept alive.
std::span<const policies> pools_with_hooks();

}  // namespace histories
