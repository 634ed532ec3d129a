// SPDX-License-Identifier: BSL-1.0
// expect: pool: put needs a Conn that can be moved
#include <utility>

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

void add(pinned& fresh) { sessions.put(1, std::move(fresh)); }
