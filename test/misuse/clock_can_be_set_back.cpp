// SPDX-License-Identifier: BSL-1.0
// expect: pool: ClockPolicy needs now(), and must be steady: a wall clock can be set back
#include <chrono>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using clock_type = std::chrono::steady_clock;
#else
using clock_type = std::chrono::system_clock;
#endif

pool::connection_pool<int, session, clock_type> sessions;
