// SPDX-License-Identifier: BSL-1.0
// expect: pool: Conn needs a member close()
#include <pool/pool.hpp>

struct session {
#ifdef POOL_MISUSE_FIXED
    void close() {}
#endif
    bool closed() const noexcept { return false; }
    bool unblocked() const noexcept { return true; }
};

pool::connection_pool<int, session> sessions;
