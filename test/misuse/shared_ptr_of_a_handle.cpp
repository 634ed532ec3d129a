// SPDX-License-Identifier: BSL-1.0
// expect: pool: Conn needs a member close()
#include <memory>

#include <pool/pool.hpp>

// A handle of a C library. Nobody can see whether a shared_ptr has a deleter, so the pool does not count on one.
struct db;

struct closer {
    void operator()(db* opened) const;
};

#ifdef POOL_MISUSE_FIXED
using session = std::unique_ptr<db, closer>;
#else
using session = std::shared_ptr<db>;
#endif

pool::connection_pool<int, session> sessions;
