// SPDX-License-Identifier: BSL-1.0
// expect: pool: ExpiryPolicy needs a constant can_expire
#include "parts.hpp"

struct at_once {
#ifdef POOL_MISUSE_FIXED
    static constexpr bool can_expire = true;
#endif
    template <class TimePoint>
    TimePoint expires_at(TimePoint since) const noexcept {
        return since;
    }
};

pool::basic_pool<int, session, pool::unlimited, at_once> sessions;
