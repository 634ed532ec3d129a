// SPDX-License-Identifier: BSL-1.0
// expect: pool: reset of a connection_traits<Conn> must be void reset(Conn&)
#include "parts.hpp"

template <>
struct pool::connection_traits<session> : pool::member_connection_traits<session> {
#ifdef POOL_MISUSE_FIXED
    static void reset(session&) {}
#else
    static void reset(session&&) {}
#endif
};

pool::basic_pool<int, session> sessions;
