// SPDX-License-Identifier: BSL-1.0
#include <pool/testing/tended_connection.hpp>

#include <histories/capacities.hpp>

namespace histories {

std::span<const policies> pools_with_hooks() {
    using pool::after_idle, pool::never, pool::testing::tended_connection;
    static constexpr std::array all {
        policies_of<pool::bounded, after_idle, pool::null_mutex, tended_connection>(
            "bounded, after_idle, null_mutex, tended connections"),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // slow to compile
            policies_of<pool::bounded, aging, pool::adaptive_mutex, tended_connection>(
                "bounded, aging, adaptive_mutex, tended connections"),
            policies_of<uneven, never, std::mutex, tended_connection>(
                "own capacity, never, std::mutex, tended connections"),
#endif
            policies_of<weighed, aging, std::mutex, tended_connection>(
                "weighed, aging, std::mutex, tended connections"),
    };
    return all;
}

}  // namespace histories
