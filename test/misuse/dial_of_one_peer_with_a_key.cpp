// SPDX-License-Identifier: BSL-1.0
// expect: pool: the dial of a pool without keys must be callable as Conn() or as Conn(const dial_context&)
#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
session open() { return {}; }
#else
session open(int) { return {}; }
#endif

pool::connection_pool<pool::no_key, session> sessions;
auto lent = sessions.acquire(open);
