// SPDX-License-Identifier: BSL-1.0
// expect: pool: a reaper is a thread of its own, and needs a pool with a lock
#include <mutex>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using lock = std::mutex;
#else
using lock = pool::null_mutex;
#endif

pool::basic_pool<int, session, pool::unlimited, pool::after_idle, lock> sessions;
pool::reaper thread{sessions};
