// SPDX-License-Identifier: BSL-1.0
// expect: pool: timed needs a dial that takes a dial_context: no other dial can see its limit
#include <chrono>

#include <pool/dial/timed.hpp>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
session open(int, const pool::dial_context&) { return {}; }
#else
session open(int) { return {}; }
#endif

pool::connection_pool<int, session> sessions{{}, pool::timed(std::chrono::seconds{3}, open)};
