// SPDX-License-Identifier: BSL-1.0
// expect: pool: LockPolicy needs lock() and unlock()
#include "parts.hpp"

struct latch {
    void lock() {}
#ifdef POOL_MISUSE_FIXED
    void unlock() {}
#endif
};

pool::basic_pool<int, session, pool::unlimited, pool::never, latch> sessions;
