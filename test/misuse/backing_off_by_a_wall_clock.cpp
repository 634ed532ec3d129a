// SPDX-License-Identifier: BSL-1.0
// expect: pool: the clock of backing_off needs now(), and must be steady: a wall clock can be set back
#include <chrono>

#include <pool/dial/backing_off.hpp>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using clock_type = std::chrono::steady_clock;
#else
using clock_type = std::chrono::system_clock;
#endif

pool::backing_off patient{dial, {}, clock_type{}};
