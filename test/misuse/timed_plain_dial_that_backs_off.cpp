// SPDX-License-Identifier: BSL-1.0
// expect: pool: timed needs a dial that takes a dial_context: no other dial can see its limit
#include <chrono>

#include <pool/dial/backing_off.hpp>
#include <pool/dial/timed.hpp>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
session open(int, const pool::dial_context&) { return {}; }
#else
session open(int) { return {}; }
#endif

auto opened = pool::timed(std::chrono::seconds{3}, pool::backing_off{open})(1);
