// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <optional>
#include <type_traits>

#include <pool/core/requirements.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/reaper.hpp>
#include <pool/settings.hpp>

/// @file
/// The thread of a pool that looks after itself, and the options that have to do with it.

namespace pool::core {

/// The ExpiryPolicy of an option whose zero means that nothing expires.
constexpr after_idle expiry_of_option(after_idle option) noexcept {
    return option.ttl() == std::chrono::nanoseconds::zero() ? after_idle{} : option;
}

/// Whether connections that are kept will expire.
constexpr bool expires(after_idle option) noexcept {
    return option.ttl() > std::chrono::nanoseconds::zero() && option.ttl() != std::chrono::nanoseconds::max();
}

/// The order of reuse, if an option may leave it open. With newest first, surplus connections grow old. So that is the
/// default only if they expire.
constexpr reuse_order order_of_option(std::optional<reuse_order> option, after_idle expiration) noexcept {
    return option.value_or(expires(expiration) ? reuse_order::newest_first : reuse_order::oldest_first);
}

/// The reaper of a pool, if something can become due: connections expire, or callers wait for blocked ones. A member of
/// the pool: it ends before the base that it looks after.
template <class Pool>
class own_reaper {
public:
    /// Starts the thread, if something can become due. Throws `std::system_error` if it cannot.
    own_reaper([[maybe_unused]] Pool& pool, after_idle option) {
        if constexpr (accepted<Pool>) {
            if (Pool::bounds_open || expires(option)) reaper_.emplace(pool);
        }
    }

private:
    std::optional<std::conditional_t<accepted<Pool>, reaper<Pool>, refused_pool>> reaper_;
};

}  // namespace pool::core
