// SPDX-License-Identifier: BSL-1.0
// expect: pool: a blocking call cannot wait for async_healthy: lend by async_acquire or async_invoke
#include <utility>

#include "parts.hpp"

template <>
struct pool::connection_traits<session> : pool::member_connection_traits<session> {
    static void async_healthy(session&, pool::hook_done done) { done(true); }
#ifdef POOL_MISUSE_FIXED
    static bool healthy(session&) { return true; }
#endif
};

pool::basic_pool<int, session> sessions{pool::unlimited{}, pool::never{}, {}, dial};
auto lent = sessions.acquire(1, dial);
