// SPDX-License-Identifier: BSL-1.0
// expect: pool: a reaper needs a pool whose ExpiryPolicy can expire, or whose CapacityPolicy bounds what is open
#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using expiry = pool::after_idle;
#else
using expiry = pool::never;
#endif

pool::basic_pool<int, session, pool::unlimited, expiry> sessions;
pool::reaper thread{sessions};
