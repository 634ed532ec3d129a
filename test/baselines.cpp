// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <baselines/hand_written.hpp>
#include <baselines/naive.hpp>

#include <support/fake.hpp>
#include <support/figures.hpp>

// The baselines that the benchmarks compare the pool with must do the same work: the same look-ups, checks, bounds,
// order, expiry and statistics.

using namespace std::chrono_literals;

namespace {

using ids = std::vector<int>;
using conn = fake::connection;
using clock_type = pool::manual_clock;

using ours = pool::basic_pool<std::string, conn, pool::bounded, pool::after_idle, std::mutex, clock_type>;
using hand_written = baselines::hand_written<conn, pool::after_idle, std::mutex, clock_type>;
using naive = baselines::naive<conn, pool::after_idle, std::mutex, clock_type>;

/// A pool that keeps three connections in all and two of each key, each for an hour.
template <class Pool>
struct fixture {
    void put(const char* key) { conns.put(key, net.dial()); }
    int try_acquire(const char* key) {
        auto lent = conns.try_acquire(key);
        return lent ? lent->id() : 0;
    }
    ~fixture() { conns.clear(); }

    fake::network net;
    clock_type clock;
    Pool conns = make();

    Pool make() {
        const pool::bounded limits{.max_idle = 3, .max_idle_per_key = 2};
        if constexpr (std::is_same_v<Pool, ours>) return Pool{limits, 1h, {}, clock};
        else return Pool{limits, 1h, clock};
    }
};

#define EACH_POOL ours, hand_written, naive

}  // namespace

TEST_CASE_TEMPLATE("baselines: a connection that is given back is lent again, the oldest first", Pool, EACH_POOL) {
    fixture<Pool> f;
    f.put("a");
    f.put("b");
    f.put("a");
    CHECK(f.try_acquire("a") == 1);
    CHECK(f.try_acquire("a") == 3);
    CHECK(f.try_acquire("a") == 1);
    CHECK(f.try_acquire("b") == 2);
    CHECK(f.try_acquire("c") == 0);
    CHECK(f.conns.stats().hits == 4);
    CHECK(f.conns.stats().misses == 1);
}

TEST_CASE_TEMPLATE("baselines: a lent connection is not lent to a second caller", Pool, EACH_POOL) {
    fixture<Pool> f;
    f.put("a");
    {
        auto lent = f.conns.try_acquire("a");
        CHECK(lent);
        CHECK(f.try_acquire("a") == 0);
        CHECK(f.conns.stats().idle == 0);
    }
    CHECK(f.conns.stats().idle == 1);
}

TEST_CASE_TEMPLATE("baselines: a full key evicts its oldest, a full pool the oldest of all", Pool, EACH_POOL) {
    fixture<Pool> f;
    for (const auto* key : {"b", "a", "a", "a", "c"}) f.put(key);
    CHECK(f.net.closed() == ids{2, 1});
    CHECK(f.conns.stats().evicted == 2);
    CHECK(f.conns.stats().idle == 3);
    // The bounds also hold for connections that are given back.
    {
        auto lent = f.conns.try_acquire("c");
        f.put("d");
    }
    CHECK(f.net.closed() == ids{3});
}

TEST_CASE_TEMPLATE("baselines: a look-up skips blocked connections and drops closed ones", Pool, EACH_POOL) {
    fixture<Pool> f;
    f.put("a");
    f.put("a");
    f.net[1].blocked = true;
    CHECK(f.try_acquire("a") == 2);
    CHECK(f.conns.stats().skipped_blocked == 1);
    f.net[1].blocked = false;
    f.net[1].dead = true;
    CHECK(f.try_acquire("a") == 2);
    CHECK(f.conns.stats().found_closed == 1);
    CHECK(f.conns.stats().idle == 1);
}

TEST_CASE_TEMPLATE("baselines: a connection that is closed while it is lent is not kept", Pool, EACH_POOL) {
    fixture<Pool> f;
    f.put("a");
    {
        auto lent = f.conns.try_acquire("a");
        f.net[1].dead = true;
    }
    CHECK(f.try_acquire("a") == 0);
    CHECK(f.conns.stats().refused == 1);
}

TEST_CASE_TEMPLATE("baselines: a connection that is already closed when it is put is not kept", Pool, EACH_POOL) {
    fixture<Pool> f;
    auto dead = f.net.dial();
    dead.far().dead = true;
    f.conns.put("a", std::move(dead));
    CHECK(f.try_acquire("a") == 0);
    CHECK(f.conns.stats().refused == 1);
}

TEST_CASE_TEMPLATE("baselines: a connection expires at its expiry time", Pool, EACH_POOL) {
    fixture<Pool> f;
    f.put("a");
    f.clock.advance(59min);
    CHECK(f.conns.expire() == 0);
    CHECK(f.try_acquire("a") == 1);
    f.clock.advance(1h);
    CHECK(f.try_acquire("a") == 0);
    f.put("a");
    CHECK(f.net.closed() == ids{1});  // by the look-up, or at the latest by the put
    f.clock.advance(1h);
    CHECK(f.conns.expire() == 1);
    CHECK(f.conns.stats().expired == 2);
}

TEST_CASE_TEMPLATE("baselines: take and put move raw connections out of the pool and into it", Pool, EACH_POOL) {
    fixture<Pool> f;
    f.put("a");
    std::optional<conn> taken = f.conns.take("a");
    REQUIRE(taken);
    CHECK_FALSE(f.conns.take("a"));
    f.conns.put("b", *std::move(taken));
    CHECK(f.try_acquire("b") == 1);
}

TEST_CASE_TEMPLATE("baselines: an exception closes the connection that was lent", Pool, EACH_POOL) {
    fixture<Pool> f;
    f.put("a");
    const auto fail = [&] {
        const auto lent = f.conns.try_acquire("a");
        throw 1;
    };
    CHECK_THROWS_AS(fail(), int);
    CHECK(f.net.closed() == ids{1});
    CHECK(f.conns.stats().idle == 0);
}

TEST_CASE_TEMPLATE("baselines: the statistics add up", Pool, EACH_POOL) {
    fixture<Pool> f;
    for (int round = 0; round != 10; ++round) {
        for (const auto* key : {"a", "b", "c", "a"}) f.put(key);
        f.try_acquire("a");
        f.try_acquire("b");
        f.conns.clear();
    }
    figures::check_exact(f.conns.stats(), 20);
    CHECK(f.conns.stats().hits == 20);
    CHECK(f.conns.stats().cleared == 30);
}
