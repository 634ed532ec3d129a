// SPDX-License-Identifier: BSL-1.0
// expect: pool: the clock of timed must be steady, and have the time points of std::chrono::steady_clock, as a deadline
#include <chrono>

#include <pool/dial/timed.hpp>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using clock_type = pool::coarse_clock;
#else
using clock_type = pool::manual_clock;
#endif

pool::timed limited(
    std::chrono::seconds{3}, [](int, const pool::dial_context&) { return session{}; }, clock_type{});
