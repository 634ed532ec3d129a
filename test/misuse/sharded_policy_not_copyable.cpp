// SPDX-License-Identifier: BSL-1.0
// expect: pool: the policies of a sharded_pool must be copyable: each shard has its own
#include <cstddef>
#include <memory>

#include <pool/sharded_pool.hpp>

#include "parts.hpp"

struct looked_up {
#ifdef POOL_MISUSE_FIXED
    std::shared_ptr<std::size_t> most;
#else
    std::unique_ptr<std::size_t> most;
#endif

    std::size_t max_idle() const noexcept { return *most; }
    std::size_t max_idle_for(int) const noexcept { return *most; }
};

pool::sharded_pool<4, int, session, looked_up> sessions;
