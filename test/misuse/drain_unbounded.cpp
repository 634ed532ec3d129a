// SPDX-License-Identifier: BSL-1.0
// expect: pool: drain waits, which only a pool can that has a lock and whose CapacityPolicy bounds what is open
#include <chrono>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using capacity = pool::bounded_open;
#else
using capacity = pool::bounded;
#endif

pool::basic_pool<int, session, capacity> sessions;
auto left = sessions.drain(std::chrono::steady_clock::now());
