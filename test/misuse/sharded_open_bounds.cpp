// SPDX-License-Identifier: BSL-1.0
// expect: pool: a sharded_pool cannot bound what is open: callers wait in one queue
#include <pool/sharded_pool.hpp>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using capacity = pool::bounded;
#else
using capacity = pool::bounded_open;
#endif

pool::sharded_pool<4, int, session, capacity> sessions;
auto lent = sessions.acquire(7, dial);
