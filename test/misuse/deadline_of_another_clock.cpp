// SPDX-License-Identifier: BSL-1.0
// expect: pool: a deadline must be a time of the pool's clock
#include <chrono>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using clock_type = std::chrono::steady_clock;
#else
using clock_type = std::chrono::system_clock;
#endif

pool::bounded_pool<int, session> sessions{{}, dial};
auto lent = sessions.acquire(1, clock_type::now());
