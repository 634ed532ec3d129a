// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <optional>
#include <type_traits>

#include <pool/core/requirements.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/reaper.hpp>

/// @file
/// The thread of a pool that looks after itself.

namespace pool::core {

/// The ExpiryPolicy of an option whose zero means that nothing expires.
constexpr after_idle expiry_of_option(after_idle option) noexcept {
    return option.ttl() == std::chrono::nanoseconds::zero() ? after_idle{} : option;
}

/// The reaper of a pool, if something can become due: connections expire, or callers wait for blocked ones. A member of
/// the pool: it ends before the base that it looks after.
template <class Pool>
class own_reaper {
public:
    /// Starts the thread, if something can become due. Throws `std::system_error` if it cannot.
    own_reaper([[maybe_unused]] Pool& pool, after_idle option) {
        const auto ttl = option.ttl();
        if constexpr (accepted<Pool>) {
            if (Pool::bounds_open || (ttl > ttl.zero() && ttl != ttl.max())) reaper_.emplace(pool);
        }
    }

private:
    std::optional<std::conditional_t<accepted<Pool>, reaper<Pool>, refused_pool>> reaper_;
};

}  // namespace pool::core
