// SPDX-License-Identifier: BSL-1.0
// expect: pool: a CapacityPolicy that declares bounds_open needs max_open(), max_open_for(const Key&)
#include <cstddef>

#include "parts.hpp"

struct half_open {
    static constexpr bool bounds_open = true;
    std::size_t max_idle() const noexcept { return 1; }
    std::size_t max_idle_for(int) const noexcept { return 1; }
    std::size_t max_open() const noexcept { return 1; }
    std::size_t max_open_for(int) const noexcept { return 1; }
    std::size_t max_waiting() const noexcept { return 1; }
#ifdef POOL_MISUSE_FIXED
    std::size_t max_dials_for(int) const noexcept { return 1; }
#endif
};

pool::basic_pool<int, session, half_open> sessions;
