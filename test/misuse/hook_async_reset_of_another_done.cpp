// SPDX-License-Identifier: BSL-1.0
// expect: pool: async_reset of a connection_traits<Conn> must be void async_reset(Conn&, pool::hook_done)
#include <functional>

#include "parts.hpp"

template <>
struct pool::connection_traits<session> : pool::member_connection_traits<session> {
#ifdef POOL_MISUSE_FIXED
    static void async_reset(session&, pool::hook_done done) { done(true); }
#else
    static void async_reset(session&, std::function<void()> done) { done(); }  // with which answer?
#endif
};

pool::basic_pool<int, session> sessions;
