// SPDX-License-Identifier: BSL-1.0
// expect: pool: async_healthy of a connection_traits<Conn> must be void async_healthy(Conn&, pool::hook_done)
#include <memory>

#include "parts.hpp"

template <>
struct pool::connection_traits<session> : pool::member_connection_traits<session> {
#ifdef POOL_MISUSE_FIXED
    static void async_healthy(session&, pool::hook_done done) { done(true); }
#else
    static bool async_healthy(session&, pool::hook_done done) { return done(true), true; }
#endif
};

pool::basic_pool<int, std::unique_ptr<session>> sessions;
