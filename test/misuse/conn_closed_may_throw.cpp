// SPDX-License-Identifier: BSL-1.0
// expect: pool: Conn needs a member bool closed() const noexcept
#include <pool/pool.hpp>

struct session {
    void close() {}
#ifdef POOL_MISUSE_FIXED
    bool closed() const noexcept { return false; }
#else
    bool closed() const { return false; }
#endif
    bool unblocked() const noexcept { return true; }
};

pool::basic_pool<int, session> sessions;
