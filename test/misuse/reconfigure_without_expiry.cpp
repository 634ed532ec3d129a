// SPDX-License-Identifier: BSL-1.0
// expect: pool: this pool's ExpiryPolicy has nothing to reconfigure
#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using policy = pool::after_idle;
#else
using policy = pool::never;
#endif

pool::basic_pool<int, session, pool::unlimited, policy> sessions;

std::size_t replace() { return sessions.reconfigure(policy{}); }
