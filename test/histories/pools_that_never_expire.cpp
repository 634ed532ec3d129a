// SPDX-License-Identifier: BSL-1.0
#include <histories/capacities.hpp>

namespace histories {

std::span<const policies> pools_that_never_expire() {
    using pool::never;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // slow to compile
    static constexpr std::array all{policies_of<small, never, std::mutex>("fixed, never, std::mutex")};
#else
    static constexpr std::array all{
        policies_of<pool::bounded, never, pool::null_mutex>("bounded, never, null_mutex"),
        policies_of<pool::bounded, never, std::mutex>("bounded, never, std::mutex"),
        policies_of<pool::bounded, never, pool::adaptive_mutex>("bounded, never, adaptive_mutex"),
        policies_of<small, never, pool::null_mutex>("fixed, never, null_mutex"),
        policies_of<small, never, std::mutex>("fixed, never, std::mutex"),
        policies_of<small, never, pool::adaptive_mutex>("fixed, never, adaptive_mutex"),
        policies_of<uneven, never, pool::null_mutex>("own capacity, never, null_mutex"),
        policies_of<uneven, never, std::mutex>("own capacity, never, std::mutex"),
        policies_of<uneven, never, pool::adaptive_mutex>("own capacity, never, adaptive_mutex"),
        policies_of<weighed, never, std::mutex>("weighed, never, std::mutex"),
    };
#endif
    return all;
}

}  // namespace histories
