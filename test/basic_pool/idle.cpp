// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/pools.hpp>

using namespace std::chrono_literals;

using fake::default_fixture;
using fake::ids;
using fake::timed_fixture;

namespace {

using bounded_pool = pool::basic_pool<std::string, fake::connection, pool::bounded>;

}  // namespace

// try_acquire, take and put

TEST_CASE_FIXTURE(default_fixture, "basic_pool: try_acquire is empty where acquire would dial") {
    CHECK_FALSE(conns.try_acquire("a"));
    conns.put("a", net.dial());
    CHECK(conns.try_acquire("a"));
    CHECK(conns.stats().misses == 1);
    CHECK(conns.stats().hits == 1);
}

TEST_CASE_FIXTURE(default_fixture, "basic_pool: a taken connection is the caller's, and can be put back") {
    conns.put("a", net.dial());
    auto taken = conns.take("a");
    REQUIRE(taken);
    CHECK(conns.stats().keys == 0);
    CHECK_FALSE(conns.take("a"));
    conns.put("b", std::move(*taken));
    CHECK(conns.try_acquire("b")->id() == 1);
}

TEST_CASE("basic_pool: a put that could not move its connection can be tried again [C12]") {
    fake::network net;
    pool::basic_pool<std::string, fake::fragile_connection> conns;
    fake::fragile_connection mine{net.dial()};
    net[1].stuck = true;
    CHECK_THROWS_WITH(conns.put("a", std::move(mine)), "stuck");
    net[1].stuck = false;
    conns.put("a", std::move(mine));
    CHECK(conns.try_acquire("a")->id() == 1);
}

TEST_CASE("basic_pool: a take that cannot move its connection closes it [C12]") {
    fake::network net;
    pool::basic_pool<std::string, fake::fragile_connection> conns;
    conns.put("a", fake::fragile_connection{net.dial()});
    net[1].stuck = true;
    CHECK_THROWS_WITH((void)conns.take("a"), "stuck");
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats() == pool::stats{.hits = 1, .puts = 1, .discarded = 1});
}

TEST_CASE("basic_pool: where nothing may be idle, a put closes at once [C2]") {
    fake::network net;
    bounded_pool conns;
    SUBCASE("in all") { conns.reconfigure({.max_idle = 0}); }
    SUBCASE("of one key") { conns.reconfigure({.max_idle_per_key = 0}); }
    conns.put("a", net.dial());
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats().refused == 1);
}

// expire and next_expiry

TEST_CASE_FIXTURE(timed_fixture,
    "basic_pool: expire() closes the expired connections, the earliest first, and returns how many [C7]") {
    for (const auto* key : {"a", "b", "a"}) {
        conns.put(key, net.dial());
        clock.advance(1s);
    }
    clock.advance(8s);
    CHECK(conns.expire() == 2);
    CHECK(net.closed() == ids{1, 2});
}

TEST_CASE_FIXTURE(timed_fixture, "basic_pool: next_expiry() is the earliest deadline of the idle connections") {
    const auto start = clock.now();
    conns.put("a", net.dial());
    clock.advance(1s);
    conns.put("b", net.dial());
    CHECK(conns.next_expiry() == start + 10s);
    const auto lent = conns.try_acquire("a");
    CHECK(conns.next_expiry() == start + 11s);
}

TEST_CASE_FIXTURE(timed_fixture,
    "basic_pool: while nothing is idle, next_expiry() is the deadline of a connection that comes back now") {
    CHECK(conns.next_expiry() == clock.now() + 10s);
    clock.advance(5s);
    CHECK(conns.next_expiry() == clock.now() + 10s);
}

TEST_CASE_FIXTURE(timed_fixture, "basic_pool: a closed pool has no next expiry") {
    const auto lent = conns.acquire("a", net.dialer());
    conns.close();
    CHECK(conns.next_expiry() == fake::timed_pool::time_point::max());
}

// clear and reconfigure

TEST_CASE_FIXTURE(
    default_fixture, "basic_pool: clear() closes the idle connections, the oldest first, and returns how many") {
    const auto lent = conns.acquire("a", net.dialer());
    for (const auto* key : {"a", "b", "a"}) conns.put(key, net.dial());
    CHECK(conns.clear() == 3);
    CHECK(net.closed() == ids{2, 3, 4});
    CHECK(conns.clear() == 0);
}

TEST_CASE_FIXTURE(default_fixture, "basic_pool: clear(key) closes the idle connections of that key") {
    for (const auto* key : {"a", "b", "a"}) conns.put(key, net.dial());
    CHECK(conns.clear("a") == 2);
    CHECK(net.closed() == ids{1, 3});
    CHECK(conns.clear("unknown") == 0);
    CHECK(conns.stats("b").idle == 1);
}

TEST_CASE_FIXTURE(default_fixture, "basic_pool: a cleared pool goes on") {
    auto lent = conns.acquire("a", net.dialer());
    conns.clear();
    lent.give_back();
    CHECK(conns.try_acquire("a")->id() == 1);
}

TEST_CASE("basic_pool: a smaller capacity evicts at once: the oldest of each key, then the oldest of all [C3]") {
    fake::network net;
    bounded_pool conns;
    for (const auto* key : {"b", "a", "a", "a", "c"}) conns.put(key, net.dial());
    CHECK(conns.reconfigure({.max_idle = 3, .max_idle_per_key = 2}) == 2);
    CHECK(net.closed() == ids{2, 1});
    CHECK(conns.stats().evicted == 2);
}

TEST_CASE("basic_pool: a smaller capacity holds for connections that come back later [C2]") {
    fake::network net;
    bounded_pool conns;
    auto lent = conns.acquire("a", net.dialer());
    CHECK(conns.reconfigure({.max_idle = 1}) == 0);
    conns.put("b", net.dial());
    lent.give_back();
    CHECK(net.closed() == ids{2});
}

TEST_CASE("basic_pool: a larger capacity evicts nothing and keeps more [C2]") {
    fake::network net;
    bounded_pool conns{{.max_idle = 1}};
    conns.put("a", net.dial());
    CHECK(conns.reconfigure({.max_idle = 2}) == 0);
    conns.put("a", net.dial());
    CHECK(conns.stats("a").idle == 2);
}

// stats

TEST_CASE_FIXTURE(default_fixture, "basic_pool: the figures of a key are its own") {
    const auto lent = conns.acquire("a", net.dialer());
    conns.put("a", net.dial());
    conns.put("a", net.dial());
    conns.put("b", net.dial());
    CHECK(conns.stats("a") == pool::key_stats{.idle = 2, .lent = 1});
    CHECK(conns.stats("b") == pool::key_stats{.idle = 1, .lent = 0});
    CHECK(conns.stats("unknown") == pool::key_stats{});
    CHECK(conns.stats().keys == 2);
}
