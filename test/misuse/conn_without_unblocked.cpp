// SPDX-License-Identifier: BSL-1.0
// expect: pool: Conn needs a member bool unblocked() const noexcept
#include <pool/pool.hpp>

struct session {
    void close() {}
    bool closed() const noexcept { return false; }
#ifdef POOL_MISUSE_FIXED
    bool unblocked() const noexcept { return true; }
#endif
};

pool::basic_pool<int, session> sessions;
