// SPDX-License-Identifier: BSL-1.0
// expect: pool: abandon of Conn, or of a connection_traits<Conn>, must return void and be noexcept
#include <memory>

#include <pool/pool.hpp>

struct session {
    void close() {}
    bool closed() const noexcept { return false; }
    bool unblocked() const noexcept { return true; }
#ifdef POOL_MISUSE_FIXED
    void abandon() noexcept {}
#else
    void abandon() {}
#endif
};

pool::basic_pool<int, std::unique_ptr<session>> sessions;
