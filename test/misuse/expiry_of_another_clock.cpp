// SPDX-License-Identifier: BSL-1.0
// expect: pool: ExpiryPolicy needs a constant can_expire
#include <chrono>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using time_point = std::chrono::steady_clock::time_point;
#else
using time_point = std::chrono::system_clock::time_point;
#endif

struct at_once {
    static constexpr bool can_expire = true;
    time_point expires_at(time_point since) const noexcept { return since; }
};

pool::basic_pool<int, session, pool::unlimited, at_once> sessions;
