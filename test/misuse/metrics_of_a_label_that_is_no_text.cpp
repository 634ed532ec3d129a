// SPDX-License-Identifier: BSL-1.0
// expect: pool: the label of keys must be a function that takes a const Key& and returns a string
#include <string>

#include <pool/metrics/prometheus.hpp>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
const auto label = [](int key) { return std::to_string(key); };
#else
const auto label = [](int key) { return key; };
#endif

void add(pool::metrics::prometheus_pools& all, const pool::connection_pool<int, session>& sessions) {
    all.add(sessions, {}, label);
}
