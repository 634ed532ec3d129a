// SPDX-License-Identifier: BSL-1.0
// expect: pool: a CapacityPolicy that declares bounds_weight needs std::size_t max_idle_weight() const noexcept
#include <cstddef>

#include <pool/pool.hpp>

struct buffer {
    std::size_t weight() const noexcept { return 1; }
};
template <>
inline constexpr bool pool::is_plain<buffer> = true;

struct by_weight : pool::bounded {
    static constexpr bool bounds_weight = true;
#ifdef POOL_MISUSE_FIXED
    std::size_t max_idle_weight() const noexcept { return 100; }
#else
    std::size_t max_weight() const noexcept { return 100; }
#endif
};

pool::basic_pool<int, buffer, by_weight> buffers;
