// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>

#include <pool/core/hashed_key.hpp>

/// @file
/// Takes the place of the wait queue in a pool that bounds only the idle connections.

namespace pool::core {

/// Behaves like an `admission` without any request. It takes no space, and its calls compile to nothing, or to the
/// store's own.
template <class Store>
class no_admission {
    using entry = typename Store::entry;
    using group = typename Store::group;
    using hashed = typename Store::hashed;

public:
    /// Nothing to deliver.
    struct notifications {
        static constexpr bool empty() noexcept { return true; }           ///< always
        static constexpr notifications deliver() noexcept { return {}; }  ///< does nothing
    };

    explicit constexpr no_admission(const Store&) noexcept {}  ///< for any store

    static constexpr bool empty() noexcept { return true; }                           ///< nobody waits
    static constexpr bool is_uncontended(const group&) noexcept { return true; }             ///< nobody waits
    static constexpr bool is_awaited(const group&) noexcept { return false; }         ///< nobody waits
    static constexpr entry* lend(const group&, auto&) noexcept { return nullptr; }    ///< never called
    static constexpr void give_back(const entry&, auto, auto&) noexcept {}            ///< never called
    static constexpr std::size_t waiting() noexcept { return 0; }                     ///< nobody waits
    static constexpr std::size_t dialing() noexcept { return 0; }                     ///< its dials hold no permit
    static constexpr std::size_t overtaken() noexcept { return 0; }                   ///< nobody waits
    static constexpr std::size_t timed_out() noexcept { return 0; }                   ///< nobody waits
    static constexpr std::size_t cancelled() noexcept { return 0; }                   ///< nobody waits
    static constexpr std::size_t queue_full() noexcept { return 0; }                  ///< nobody waits
    static constexpr std::chrono::nanoseconds total_wait() noexcept { return {}; }    ///< nobody has waited
    static constexpr std::chrono::nanoseconds longest_wait() noexcept { return {}; }  ///< nobody has waited
    static constexpr group* group_of(const hashed&) noexcept { return nullptr; }      ///< nobody waits
    static constexpr bool is_over_bounds(const entry&, const auto&) noexcept { return false; }      ///< there are none
    static constexpr bool awaits_blocked() noexcept { return false; }                               ///< nobody waits
    static constexpr void begin_look_again() noexcept {}                                            ///< nobody waits
    static constexpr bool look_again(auto&) noexcept { return true; }                               ///< nobody waits
    static constexpr void came_back(const group&, auto&) noexcept {}                                ///< nobody waits
    static constexpr void changed(const group&, auto&) noexcept {}                                  ///< nobody waits
    static constexpr void erase_lent(const group&, const auto& erase, auto&) noexcept { erase(); }  ///< only that
    static constexpr void bounds_changed() noexcept {}                                              ///< nobody waits
    static constexpr void close() noexcept {}                                                       ///< nobody waits
    static constexpr void pause(bool) noexcept {}                                                   ///< nobody waits
    static constexpr void resume() noexcept {}                                                      ///< nobody waits
    static constexpr void refuse_waiting(const auto&) noexcept {}                                   ///< nobody waits
    static constexpr void serve(auto&) noexcept {}                                                  ///< nobody waits
    static constexpr void call_to_close(std::size_t, std::size_t, std::size_t) noexcept {}          ///< nobody waits
    static constexpr bool has_notifications() noexcept { return false; }                            ///< nobody waits
    static constexpr notifications take_notifications() noexcept { return {}; }  ///< nothing to deliver
    static constexpr void notify_again(notifications&) noexcept {}               ///< nothing to deliver

    /// The policy's own bound.
    static std::size_t idle_allowed(const auto& policy) noexcept { return policy.max_idle(); }
    /// The policy's own bound.
    static std::size_t idle_allowed_for(const group& of, const auto& policy) noexcept {
        return policy.max_idle_for(of.key);
    }
};

}  // namespace pool::core
