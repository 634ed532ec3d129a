// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/sharded_pool.hpp>
#include <pool/testing/probe_lock.hpp>

#include <support/fake.hpp>
#include <support/figures.hpp>

/// @file
/// Pools of every kind that are invalidated. Foreign code that runs under the lock ends the test.

namespace invalidated {

using namespace std::chrono_literals;
using fake::ids;

template <class Capacity, class Expiry = pool::after_idle>
using pool_of =
    pool::basic_pool<std::string, fake::connection, Capacity, Expiry, pool::testing::probe_lock, pool::manual_clock>;
using idle_pool = pool_of<pool::bounded>;
using open_pool = pool_of<pool::bounded_open>;
using shards = pool::sharded_pool<3, std::string, fake::connection, pool::bounded, pool::after_idle,
    pool::testing::probe_lock, pool::manual_clock>;

template <class Pool>
using capacity_of = std::conditional_t<Pool::bounds_open, pool::bounded_open, pool::bounded>;

/// A pool on a clock that the test advances.
template <class Pool>
struct fixture {
    using lease = typename Pool::lease_type;

    explicit fixture(capacity_of<Pool> capacity = {}, pool::pool_settings settings = {.name = "peers"}) {
        conns.emplace(capacity, 1'000s, std::move(settings), clock);
    }

    lease acquire(const char* key = "a") { return conns->acquire(key, net.dialer()); }
    void put(const char* key = "a", int count = 1) {
        for (; count > 0; --count) conns->put(key, net.dial());
    }
    pool::stats stats() const { return conns->stats(); }

    /// A dial that calls `act(n)` in its n-th call, and then opens a connection.
    template <class Act>
    auto dial_after(Act act) {
        return [this, act, n = 0](const std::string&) mutable {
            act(++n);
            return net.dial();
        };
    }

    /// The figures add up [C16], and nothing is under way.
    void check_sums(std::uint64_t look_ups) const {
        figures::check_exact(stats(), look_ups);
        CHECK(stats().checking == 0);
        CHECK(stats().closing == 0);
        CHECK(stats().waiting == 0);
        CHECK(stats().dialing == 0);
    }

    fake::network net;
    pool::manual_clock clock;
    std::optional<Pool> conns;
};

}  // namespace invalidated

/// A case for a pool of each kind.
#define EACH_INVALIDATED_POOL(name)                                                                                    \
    TEST_CASE_TEMPLATE(name, Pool, invalidated::idle_pool, invalidated::open_pool, invalidated::shards)
