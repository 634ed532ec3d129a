// SPDX-License-Identifier: BSL-1.0
#include <histories/capacities.hpp>

namespace histories {

std::span<const policies> pools_that_expire() {
    using pool::after_idle;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // slow to compile
    static constexpr std::array all{
        policies_of<pool::bounded, after_idle, pool::null_mutex>("bounded, after_idle, null_mutex"),
        policies_of<uneven, after_idle, pool::adaptive_mutex>("own capacity, after_idle, adaptive_mutex"),
        policies_of<weighed, after_idle, pool::null_mutex>("weighed, after_idle, null_mutex"),
        policies_of<pool::bounded, aging, pool::null_mutex>("bounded, aging, null_mutex"),
    };
#else
    static constexpr std::array all{
        policies_of<pool::bounded, after_idle, pool::null_mutex>("bounded, after_idle, null_mutex"),
        policies_of<pool::bounded, after_idle, std::mutex>("bounded, after_idle, std::mutex"),
        policies_of<pool::bounded, after_idle, pool::adaptive_mutex>("bounded, after_idle, adaptive_mutex"),
        policies_of<small, after_idle, pool::null_mutex>("fixed, after_idle, null_mutex"),
        policies_of<small, after_idle, std::mutex>("fixed, after_idle, std::mutex"),
        policies_of<small, after_idle, pool::adaptive_mutex>("fixed, after_idle, adaptive_mutex"),
        policies_of<uneven, after_idle, pool::null_mutex>("own capacity, after_idle, null_mutex"),
        policies_of<uneven, after_idle, std::mutex>("own capacity, after_idle, std::mutex"),
        policies_of<uneven, after_idle, pool::adaptive_mutex>("own capacity, after_idle, adaptive_mutex"),
        policies_of<weighed, after_idle, pool::null_mutex>("weighed, after_idle, null_mutex"),
        policies_of<pool::bounded, aging, pool::null_mutex>("bounded, aging, null_mutex"),
        policies_of<small, aging, std::mutex>("fixed, aging, std::mutex"),
    };
#endif
    return all;
}

}  // namespace histories
