// SPDX-License-Identifier: BSL-1.0
// expect: pool: CapacityPolicy needs std::size_t max_idle() const noexcept
#include <cstddef>

#include "parts.hpp"

struct half_bounded {
    std::size_t max_idle() const noexcept { return 1; }
#ifdef POOL_MISUSE_FIXED
    std::size_t max_idle_for(int) const noexcept { return 1; }
#endif
};

pool::basic_pool<int, session, half_bounded> sessions;
