// SPDX-License-Identifier: BSL-1.0
#include <histories/capacities.hpp>

namespace histories {

// They bound nothing that is open here, so nobody waits. Callers that wait have histories of their own, in bounded/.
// A caller of `acquire` could wait, so these pools need a lock.
std::span<const policies> pools_that_bound_open() {
    using pool::after_idle, pool::bounded_open, pool::never;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // slow to compile
    static constexpr std::array all{
        policies_of<bounded_open, after_idle, std::mutex>("bounded_open, after_idle, std::mutex")};
#else
    static constexpr std::array all{
        policies_of<bounded_open, never, std::mutex>("bounded_open, never, std::mutex"),
        policies_of<bounded_open, never, pool::adaptive_mutex>("bounded_open, never, adaptive_mutex"),
        policies_of<bounded_open, after_idle, std::mutex>("bounded_open, after_idle, std::mutex"),
        policies_of<bounded_open, after_idle, pool::adaptive_mutex>("bounded_open, after_idle, adaptive_mutex"),
    };
#endif
    return all;
}

}  // namespace histories
