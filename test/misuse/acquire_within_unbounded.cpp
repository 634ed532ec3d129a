// SPDX-License-Identifier: BSL-1.0
// expect: pool: acquire with a deadline or a stop_token needs a CapacityPolicy that bounds what is open
#include <chrono>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using capacity = pool::bounded_open;
#else
using capacity = pool::bounded;
#endif

pool::basic_pool<int, session, capacity> sessions;
auto lent = sessions.acquire(1, dial, std::chrono::seconds{5});
