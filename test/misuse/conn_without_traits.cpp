// SPDX-License-Identifier: BSL-1.0
// expect: pool: Conn needs a member close(), or a connection_traits<Conn> with close(Conn&)
#include <pool/pool.hpp>

struct descriptor {
    int number;
};

#ifdef POOL_MISUSE_FIXED
template <>
struct pool::connection_traits<descriptor> {
    static void close(descriptor&) {}
    static bool closed(const descriptor& d) noexcept { return d.number < 0; }
    static bool unblocked(const descriptor&) noexcept { return true; }
};
#endif

pool::local_pool<int, descriptor> descriptors;
