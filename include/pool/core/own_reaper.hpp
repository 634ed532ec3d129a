// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>

#include <pool/core/requirements.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/reaper.hpp>
#include <pool/settings.hpp>

/// @file
/// The thread of a pool that looks after itself, and the options that have to do with it.

namespace pool::core {

/// The ExpiryPolicy of a ready-made pool.
using own_expiry = any_of<after_idle, after_lifetime, after_uses>;

/// The policy of options. A time of zero means that nothing expires by it.
constexpr own_expiry expiry_of_options(
    after_idle expiration, const after_lifetime& lifetime, double jitter, std::size_t max_uses) noexcept {
    constexpr auto zero = std::chrono::nanoseconds::zero();
    return own_expiry{expiration.ttl() == zero ? after_idle{} : expiration,
        lifetime.ttl() == zero ? after_lifetime{} : after_lifetime{lifetime.ttl(), jitter}, after_uses{max_uses}};
}

/// Whether a time to live ends.
constexpr bool ends(std::chrono::nanoseconds ttl) noexcept { return ttl > ttl.zero() && ttl != ttl.max(); }

/// Whether connections that are kept will expire when they have been idle for long.
constexpr bool expires(after_idle option) noexcept { return ends(option.ttl()); }

/// The order of reuse, if an option may leave it open. With newest first, surplus connections grow old. So that is the
/// default only if they expire.
constexpr reuse_order order_of_option(std::optional<reuse_order> option, after_idle expiration) noexcept {
    return option.value_or(expires(expiration) ? reuse_order::newest_first : reuse_order::oldest_first);
}

/// The reaper of a pool, if something can become due: connections expire, or callers wait for blocked ones. A member of
/// the pool: it ends before the base that it looks after. Thread-safe.
template <class Pool>
class own_reaper {
public:
    /// Starts the thread, if something can become due. Throws `std::system_error` if it cannot.
    own_reaper([[maybe_unused]] Pool& pool, [[maybe_unused]] const own_expiry& policy) {
        if constexpr (accepted<Pool>) {
            if (Pool::bounds_open || is_needed(policy)) reaper_.emplace(pool);
        }
    }

    /// Expires when the pool ends.
    std::weak_ptr<const void> life() const noexcept { return life_; }

    /// The pool has another policy: starts the thread if it is needed now, or makes it plan anew. Throws
    /// `std::system_error` if it cannot start.
    void plan_anew(Pool& pool, const own_expiry& policy) {
        const std::lock_guard guard{mutex_};
        if (reaper_) reaper_->wake();
        else if (is_needed(policy)) reaper_.emplace(pool);
    }

    /// In the child of a fork: starts the thread there, if there was one. Throws as that.
    void abandon() {
        std::construct_at(std::addressof(mutex_));
        if (reaper_) reaper_->abandon();
    }

private:
    static constexpr bool is_needed(const own_expiry& policy) noexcept {
        return ends(policy.get<after_idle>().ttl()) || ends(policy.get<after_lifetime>().ttl());
    }

    const std::shared_ptr<const void> life_ = std::make_shared<char>();
    std::mutex mutex_;  ///< guards its start
    std::optional<std::conditional_t<accepted<Pool>, reaper<Pool>, refused_pool>> reaper_;
};

}  // namespace pool::core
