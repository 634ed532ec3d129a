// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

#include <fmt/format.h>

#include <pool/basic_pool.hpp>
#include <pool/seeded_key.hpp>
#include <pool/sharded_pool.hpp>

#include <baselines/floor.hpp>
#include <baselines/hand_written.hpp>
#include <baselines/naive.hpp>
#include <hashes.hpp>
#include <workloads.hpp>

/// @file
/// Which workloads are measured on which pools. A row is a workload, a column is a pool.

namespace bench {

template <class ExpiryPolicy, class LockPolicy, class ClockPolicy>
using our_pool = pool::basic_pool<std::string, connection, pool::bounded, ExpiryPolicy, LockPolicy, ClockPolicy>;

template <class ExpiryPolicy, class LockPolicy, class ClockPolicy>
using our_shards = pool::sharded_pool<8, std::string, connection, pool::bounded, ExpiryPolicy, LockPolicy, ClockPolicy>;

using our_bounded_pool = pool::basic_pool<std::string, connection, pool::bounded_open>;

/// The same pool, with the other order of reuse.
struct our_newest_first_pool : pool::basic_pool<std::string, connection, pool::bounded> {
    explicit our_newest_first_pool(const pool::bounded& limits)
        : basic_pool{limits, {}, {.reuse = pool::reuse_order::newest_first}} {}
};

using our_seeded_pool = pool::basic_pool<pool::seeded_key<std::string>, connection, pool::bounded>;

/// Calls `visit.operator()<Workload<Pool>>(name, size)` for each pool.
template <template <class> class Workload, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
void each_pool(const std::string& row, std::size_t n, auto& visit) {
    visit.template operator()<Workload<our_pool<ExpiryPolicy, LockPolicy, ClockPolicy>>>(row + "/pool", n);
    visit.template operator()<Workload<baselines::hand_written<connection, ExpiryPolicy, LockPolicy, ClockPolicy>>>(
        row + "/H", n);
    visit.template operator()<Workload<baselines::naive<connection, ExpiryPolicy, LockPolicy, ClockPolicy>>>(
        row + "/N", n);
    visit.template operator()<Workload<baselines::floor<connection, ExpiryPolicy, LockPolicy, ClockPolicy>>>(
        row + "/L", n);
}

/// The rows of the table for one thread.
void each_row(auto& visit) {
    using pool::after_idle, pool::coarse_clock, pool::never, pool::null_mutex;
    using std::mutex;
    using clock = std::chrono::steady_clock;

    each_pool<lease_of_one_key, never, mutex, clock>("W1 one key", 1, visit);
    visit.template operator()<lease_of_one_key<our_bounded_pool>>("W1 open bounds/pool", 1);
    each_pool<lease_of_one_key, never, null_mutex, clock>("W1 without a lock", 1, visit);
    each_pool<raw_of_one_key, never, mutex, clock>("W1 take and put", 1, visit);
    each_pool<lease_of_any_key, never, mutex, clock>("W2 1,000 keys", 1'000, visit);
    visit.template operator()<lease_of_any_key<our_seeded_pool>>("W2 1,000 keys/seeded", 1'000);
    each_pool<raw_of_any_key, never, mutex, clock>("W2 take and put", 1'000, visit);
    each_pool<lease_of_deep_key, never, mutex, clock>("W3 one key, 1,000 idle", 1'000, visit);
    visit.template operator()<lease_of_deep_key<our_newest_first_pool>>("W3 one key, 1,000 idle/newest first", 1'000);
    each_pool<churn, never, mutex, clock>("W4 churn", 10'000, visit);
    each_pool<churn, after_idle, mutex, clock>("W4 churn, after_idle", 10'000, visit);
    each_pool<lease_of_one_key, after_idle, mutex, clock>("W5 as W1, after_idle", 1, visit);
    each_pool<lease_of_any_key, after_idle, mutex, clock>("W5 as W2, after_idle", 1'000, visit);
    each_pool<lease_of_one_key, after_idle, mutex, coarse_clock>("W5 as W1, coarse_clock", 1, visit);
    each_pool<lease_of_any_key, after_idle, mutex, coarse_clock>("W5 as W2, coarse_clock", 1'000, visit);
    visit.template operator()<hash_of_text<std::string>>("W13 hash of 20 characters/pool", 1'024);
    visit.template operator()<hash_of_text<pool::seeded_key<std::string>>>("W13 hash of 20 characters/seeded", 1'024);
    visit.template operator()<hash_of_integer<std::uint64_t>>("W13 hash of an integer/pool", 1'024);
    visit.template operator()<hash_of_integer<pool::seeded_key<std::uint64_t>>>("W13 hash of an integer/seeded", 1'024);
}

/// The same workloads in pools of growing size.
void each_size(auto& visit) {
    using pool::after_idle, pool::never;
    using std::mutex;
    using clock = std::chrono::steady_clock;

    for (std::size_t n = 100; n <= 1'000'000; n *= 10) {
        each_pool<lease_of_one_key, never, mutex, clock>(fmt::format("growth W1/{}", n), n, visit);
        each_pool<lease_of_any_key, never, mutex, clock>(fmt::format("growth W2/{}", n), n, visit);
        each_pool<lease_of_deep_key, never, mutex, clock>(fmt::format("growth W3/{}", n), n, visit);
        each_pool<churn, never, mutex, clock>(fmt::format("growth W4/{}", n), n, visit);
        each_pool<lease_of_any_key, after_idle, mutex, clock>(fmt::format("growth W5/{}", n), n, visit);
    }
}

}  // namespace bench
