// SPDX-License-Identifier: BSL-1.0
// expect: pool: expire needs an ExpiryPolicy that can expire
#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using expiry = pool::after_idle;
#else
using expiry = pool::never;
#endif

pool::basic_pool<int, session, pool::unlimited, expiry> sessions;
const auto expired = sessions.expire();
