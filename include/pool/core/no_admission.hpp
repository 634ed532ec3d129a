// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

#include <pool/core/hashed_key.hpp>

/// @file
/// Takes the place of the wait queue in a pool that bounds only the idle connections.

namespace pool::core {

/// Behaves like an `admission` without any request. It takes no space, and its calls compile to nothing.
template <class Store>
class no_admission {
    using entry = typename Store::entry;
    using hashed = typename Store::hashed;

public:
    /// Nothing to deliver.
    struct notifications {
        static constexpr void deliver() noexcept {}  ///< does nothing
    };

    explicit constexpr no_admission(const Store&) noexcept {}  ///< for any store

    static constexpr bool empty() noexcept { return true; }                     ///< nobody waits
    static constexpr std::size_t waiting() noexcept { return 0; }               ///< nobody waits
    static constexpr std::size_t waiting(const hashed&) noexcept { return 0; }  ///< nobody waits
    static constexpr std::size_t dialing() noexcept { return 0; }               ///< its dials hold no permit
    static constexpr std::size_t dialing(const hashed&) noexcept { return 0; }  ///< its dials hold no permit
    static constexpr bool is_wanted(const hashed&) noexcept { return false; }   ///< nobody waits
    static constexpr bool is_over_bounds(const entry&, const auto&) noexcept { return false; }  ///< there are none
    static constexpr void refuse_all() noexcept {}                                              ///< nobody waits
    static constexpr void serve(const auto&, auto, auto&) noexcept {}                           ///< nobody waits
    static constexpr notifications take_notifications() noexcept { return {}; }                 ///< nothing to deliver

    /// The policy's own bound.
    static std::size_t max_idle(const auto& policy) noexcept { return policy.max_idle(); }
    /// The policy's own bound.
    static std::size_t max_idle_for(const entry& known, const auto& policy) noexcept {
        return policy.max_idle_for(known.key());
    }
};

}  // namespace pool::core
