// SPDX-License-Identifier: BSL-1.0
// expect: pool: a sharded_pool needs two shards or more: with one it is a basic_pool
#include <pool/sharded_pool.hpp>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
constexpr std::size_t shards = 2;
#else
constexpr std::size_t shards = 1;
#endif

pool::sharded_pool<shards, int, session> sessions;
