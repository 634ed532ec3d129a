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
/// all.
///
/// With an expiration, the connection of a key that was given back last is lent first, unless `reuse` says otherwise. So
/// those that are not needed expire. Without one it is the connection that was given back first. So none grows old, if
/// calls are frequent enough.
struct connection_pool_options {
    int capacity = 0;                                     ///< idle connections in all
    int key_capacity = 0;                                 ///< idle connections of one key
    after_idle expiration = std::chrono::nanoseconds{0};  ///< how long one may be idle: any duration, such as `30s`
    std::optional<reuse_order> reuse = {};                ///< which idle connection of a key is lent first
    std::string name = {};                                ///< how error messages call the pool
    bool discard_unless_kept = false;                     ///< a lease is given back only after `lease::keep`
};

/// A thread-safe pool that closes expired connections by itself. With an expiration it has one thread, which sleeps
/// until the next connection expires, and ends with the pool. Otherwise as `basic_pool`.
template <class Key, class Conn, class ClockPolicy = std::chrono::steady_clock>
class connection_pool : public basic_pool<Key, Conn, bounded, after_idle, std::mutex, ClockPolicy> {
    using base = basic_pool<Key, Conn, bounded, after_idle, std::mutex, ClockPolicy>;

public:
    /// An empty pool. With an expiration, it starts its thread, and throws `std::system_error` if that fails.
    explicit connection_pool(connection_pool_options options = {}, ClockPolicy clock = ClockPolicy{})
        : base{bounds(options), core::expiry_of_option(options.expiration), settings(options), std::move(clock)},
          reaper_{*this, options.expiration} {}

    /// The same, with a dial of its own, for calls that bring none. The pool and its lazy connections share the dial.
    /// Several threads may call it at once.
    template <class Dial>
        requires(!std::convertible_to<Dial, ClockPolicy>)
    connection_pool(connection_pool_options options, Dial dial, ClockPolicy clock = ClockPolicy{})
        : base{bounds(options), core::expiry_of_option(options.expiration), settings(options), std::move(dial),
              std::move(clock)},
          reaper_{*this, options.expiration} {}

private:
    static constexpr std::size_t bound(int option) noexcept {
        if (option == 0) return no_limit;
        return option < 0 ? 0 : static_cast<std::size_t>(option);
    }
    static bounded bounds(const connection_pool_options& options) {
        return {.max_idle = bound(options.capacity), .max_idle_per_key = bound(options.key_capacity)};
    }
    static pool_settings settings(connection_pool_options& options) {
        return {.reuse = core::order_of_option(options.reuse, options.expiration),
            .name = std::move(options.name),
            .discard_unless_kept = options.discard_unless_kept};
    }

    core::own_reaper<base> reaper_;
};

/// A pool for a single thread. It has no lock and no thread: call `expire()` yourself.
template <class Key, class Conn>
using local_pool = basic_pool<Key, Conn, bounded, after_idle, null_mutex>;

}  // namespace pool
