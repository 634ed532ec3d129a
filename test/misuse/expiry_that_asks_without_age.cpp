// SPDX-License-Identifier: BSL-1.0
// expect: pool: an ExpiryPolicy that declares what it asks needs a constant can_expire
#include "parts.hpp"

struct third_time {
    static constexpr bool can_expire = true;
    static constexpr pool::age_facts asks{.uses = true};

    template <class TimePoint>
#ifdef POOL_MISUSE_FIXED
    TimePoint expires_at(TimePoint since, const pool::connection_age<TimePoint>& age) const noexcept {
        return age.uses >= 3 ? since : TimePoint::max();
    }
#else
    TimePoint expires_at(TimePoint since) const noexcept {
        return since;
    }
#endif
};

pool::basic_pool<int, session, pool::unlimited, third_time> sessions;
