// SPDX-License-Identifier: BSL-1.0
// expect: pool: async_keep_alive of a connection_traits<Conn> must be void async_keep_alive(Conn&, pool::hook_done)
#include "parts.hpp"

template <>
struct pool::connection_traits<session> : pool::member_connection_traits<session> {
#ifdef POOL_MISUSE_FIXED
    static void async_keep_alive(session&, pool::hook_done done) { done(true); }
#else
    static void async_keep_alive(session&) {}  // nobody would learn of its end
#endif
};

pool::basic_pool<int, session> sessions;
