// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/sharded_pool.hpp>
#include <pool/testing/fake_dialer.hpp>
#include <pool/testing/probe_lock.hpp>
#include <pool/testing/tended_connection.hpp>

#include <support/figures.hpp>
#include <support/ids.hpp>

/// @file
/// Pools whose connections are checked, reset and kept alive. A hook that runs under the lock ends the test.

namespace tended {

using namespace std::chrono_literals;
using fake::ids;
using pool::testing::far_end;
using pool::testing::tended_connection;

template <class Capacity, class Conn = tended_connection>
using pool_of =
    pool::basic_pool<std::string, Conn, Capacity, pool::after_idle, pool::testing::probe_lock, pool::manual_clock>;
using idle_pool = pool_of<pool::bounded>;
using open_pool = pool_of<pool::bounded_open>;
template <class Conn>
using shards_of = pool::sharded_pool<2, std::string, Conn, pool::bounded, pool::after_idle, pool::testing::probe_lock,
    pool::manual_clock>;
using shards = shards_of<tended_connection>;

template <class Pool>
using capacity_of = std::conditional_t<Pool::bounds_open, pool::bounded_open, pool::bounded>;

constexpr pool::manual_clock::duration tick{1};

/// A pool on a clock that the test advances.
template <class Pool>
struct fixture {
    using lease = typename Pool::lease_type;

    explicit fixture(
        pool::pool_settings settings = {}, capacity_of<Pool> capacity = {}, std::chrono::seconds lifetime = 1'000s) {
        conns.emplace(capacity, pool::after_idle{lifetime}, std::move(settings), clock);
    }

    auto dial() {
        return [this](const std::string& key) { return typename Pool::connection_type{dials(key)}; };
    }
    void put(const char* key, int count = 1) {
        for (; count > 0; --count) conns->put(key, dial()(key));
    }
    lease acquire(const char* key = "a") { return conns->acquire(key, dial()); }

    pool::stats stats() const { return conns->stats(); }
    far_end& far(int id) { return dials[id]; }
    std::string history(int id) { return dials[id].history(); }

    /// The figures add up [C16], and nothing is left half done.
    void check_sums(std::uint64_t look_ups) const {
        figures::check_exact(stats(), look_ups);
        CHECK(stats().checking == 0);
        CHECK(stats().waiting == 0);
        CHECK(stats().dialing == 0);
    }

    pool::testing::fake_dialer dials;
    pool::manual_clock clock;
    std::optional<Pool> conns;
};

}  // namespace tended
