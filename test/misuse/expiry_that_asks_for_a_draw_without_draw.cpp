// SPDX-License-Identifier: BSL-1.0
// expect: pool: an ExpiryPolicy that declares what it asks needs a constant can_expire
#include <cstdint>

#include "parts.hpp"

struct every_second {
    static constexpr bool can_expire = true;
    static constexpr pool::age_facts asks{.draw = true};

    template <class TimePoint>
    TimePoint expires_at(TimePoint since, const pool::connection_age<TimePoint>& age) const noexcept {
        return age.draw >> 31 != 0 ? since : TimePoint::max();
    }
#ifdef POOL_MISUSE_FIXED
    std::uint32_t draw() noexcept { return flips = ~flips; }
#endif

    std::uint32_t flips = 0;
};

pool::basic_pool<int, session, pool::unlimited, every_second> sessions;
