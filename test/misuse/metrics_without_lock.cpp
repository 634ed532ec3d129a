// SPDX-License-Identifier: BSL-1.0
// expect: pool: metrics are collected by another thread, which needs a pool with a lock
#include <mutex>

#include <pool/metrics/prometheus.hpp>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using lock = std::mutex;
#else
using lock = pool::null_mutex;
#endif

void add(pool::metrics::prometheus_pools& all,
    const pool::basic_pool<int, session, pool::unlimited, pool::never, lock>& sessions) {
    all.add(sessions);
}
