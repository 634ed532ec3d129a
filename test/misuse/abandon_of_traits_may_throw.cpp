// SPDX-License-Identifier: BSL-1.0
// expect: pool: abandon of Conn, or of a connection_traits<Conn>, must return void and be noexcept
#include <pool/pool.hpp>

struct session {};

template <>
struct pool::connection_traits<session> {
    static void close(session&) {}
    static bool closed(const session&) noexcept { return false; }
    static bool unblocked(const session&) noexcept { return true; }
#ifdef POOL_MISUSE_FIXED
    static void abandon(session&) noexcept {}
#else
    static void abandon(session&) {}
#endif
};

pool::basic_pool<int, session> sessions;
