// SPDX-License-Identifier: BSL-1.0
// expect: pool: take needs a Conn that can be moved
#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using pinned = session;
#else
struct pinned : session {
    pinned() = default;
    pinned(pinned&&) = delete;
};
#endif

pool::connection_pool<int, pinned> sessions;
const auto taken = sessions.take(1);
