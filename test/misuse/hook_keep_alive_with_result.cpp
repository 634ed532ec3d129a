// SPDX-License-Identifier: BSL-1.0
// expect: pool: keep_alive of a connection_traits<Conn> must be void keep_alive(Conn&)
#include "parts.hpp"

template <>
struct pool::connection_traits<session> : pool::member_connection_traits<session> {
#ifdef POOL_MISUSE_FIXED
    static void keep_alive(session&) {}
#else
    static bool keep_alive(session&) { return false; }
#endif
};

pool::basic_pool<int, session> sessions;
