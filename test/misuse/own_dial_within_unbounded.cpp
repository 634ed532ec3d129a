// SPDX-License-Identifier: BSL-1.0
// expect: pool: acquire with a deadline or a stop_token needs a CapacityPolicy that bounds what is open
#include <chrono>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
pool::bounded_pool<int, session> sessions{{}, dial};
#else
pool::connection_pool<int, session> sessions{{}, dial};
#endif

auto lent = sessions.acquire(1, std::chrono::seconds{5});
