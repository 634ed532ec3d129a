// SPDX-License-Identifier: BSL-1.0
// expect: pool: healthy of a connection_traits<Conn> must be bool healthy(Conn&)
#include <memory>

#include "parts.hpp"

template <>
struct pool::connection_traits<session> : pool::member_connection_traits<session> {
#ifdef POOL_MISUSE_FIXED
    static bool healthy(session&) { return true; }
#else
    static int healthy(session&) { return 0; }
#endif
};

pool::basic_pool<int, std::unique_ptr<session>> sessions;
