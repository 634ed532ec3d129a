// SPDX-License-Identifier: BSL-1.0
// expect: pool: this ExpiryPolicy asks a Conn for its own deadline
#include <chrono>

#include "parts.hpp"

struct upstream : session {
#ifdef POOL_MISUSE_FIXED
    std::chrono::seconds expires() const noexcept { return std::chrono::seconds{5}; }
#else
    std::chrono::seconds expires() const { return std::chrono::seconds{5}; }  // may throw
#endif
};

pool::basic_pool<int, upstream, pool::unlimited, pool::at_own_deadline> upstreams;
