// SPDX-License-Identifier: BSL-1.0
// expect: pool: callers can wait for resume only in a pool that bounds what is open
#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using capacity = pool::bounded_open;
#else
using capacity = pool::bounded;
#endif

void stand_still(pool::basic_pool<int, session, capacity>& sessions) { sessions.pause(pool::wait_for_resume); }
