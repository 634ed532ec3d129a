// SPDX-License-Identifier: BSL-1.0
// expect: pool: with a CapacityPolicy that bounds the weight, Conn needs a member std::size_t weight() const noexcept
#include <cstddef>

#include <pool/pool.hpp>

struct session {
    void close() {}
    bool closed() const noexcept { return false; }
    bool unblocked() const noexcept { return true; }
#ifdef POOL_MISUSE_FIXED
    std::size_t weight() const noexcept { return 1; }
#endif
};

pool::basic_pool<int, session, pool::weighed<pool::bounded>> sessions{{{.max_idle = 8}, 100}};
