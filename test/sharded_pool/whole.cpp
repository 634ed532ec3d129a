// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/reaper.hpp>
#include <pool/sharded_pool.hpp>

#include <support/figures.hpp>
#include <support/sharded.hpp>

// Calls that concern every shard. The contract's tests and the matrix ask the rest of a sharded pool, too.

using namespace std::chrono_literals;

using sharded::fixture;
using sharded::key_in;
using sharded::many;
using sharded::pool_of;

TEST_CASE_FIXTURE(fixture, "sharded_pool: the connections of a key are found again, whatever its shard") {
    for (int key = 0; key < many; ++key) put(key);
    for (int key = 0; key < many; ++key) {
        CHECK(conns.stats(key).idle == 1);
        CHECK(conns.try_acquire(key)->id() == key + 1);
        CHECK(conns.acquire(key, net.dialer())->id() == key + 1);
        auto taken = conns.take(key);
        CHECK(taken->id() == key + 1);
        conns.put(key, *std::move(taken));
        CHECK(conns.get(key, net.dialer()).invoke(&fake::connection::id) == key + 1);
        CHECK(conns.clear(key) == 1);
    }
    CHECK(net.closed().size() == many);
}

TEST_CASE_FIXTURE(fixture, "sharded_pool: clear closes the idle connections of every shard") {
    put_one_of_each();
    put_one_of_each();
    CHECK(conns.clear() == 8);
    CHECK(net.open() == 0);
}

TEST_CASE_FIXTURE(fixture, "sharded_pool: close() closes every shard, and returns the errors of all [C11] [C13]") {
    put_one_of_each();
    for (int id = 1; id <= 4; ++id) net[id].on_close = [id] { throw std::runtime_error{std::to_string(id)}; };
    const auto lent = conns.acquire(key_in<4>(3, 1), net.dialer());
    CHECK(std::string{conns.close().what()} == R"(pool "peers": 4 failed to close: 1; 2; 3; 4)");
    CHECK(conns.stats().failed_closes == 4);
    CHECK(conns.close().empty());

    for (const int key : keys) {
        CHECK_THROWS_AS((void)conns.acquire(key, net.dialer()), pool::pool_closed);
        put(key);
    }
    CHECK(conns.stats().refused == 4);
    CHECK(conns.stats().lent == 1);
    CHECK(net.open() == 1);
}

TEST_CASE_FIXTURE(fixture, "sharded_pool: a close in one shard may put into any other, also at the end [C8]") {
    for (const int key : keys) {
        put(key);
        put(key);
    }
    for (int id = 1; id <= 8; ++id) net[id].on_close = [this] { put_one_of_each(); };
    SUBCASE("clear") {
        conns.clear();
        conns.clear();
    }
    SUBCASE("close") { CHECK(conns.close().empty()); }
    CHECK(conns.stats().idle == 0);
    CHECK(net.open() == 0);
}

TEST_CASE_FIXTURE(fixture, "sharded_pool: a sweep closes the expired connections of every shard [C7]") {
    put_one_of_each();
    clock.advance(9s);
    CHECK(conns.expire() == 0);
    put_one_of_each();
    clock.advance(1s);
    CHECK(conns.expire() == 4);
    CHECK(conns.stats().expired == 4);
    CHECK(conns.stats().idle == 4);
}

TEST_CASE_FIXTURE(fixture, "sharded_pool: the next expiry is the earliest of all shards") {
    for (const int key : keys) {
        const auto start = clock.now();
        put(key);
        clock.advance(5s);
        for (const int other : keys) {
            if (other != key) put(other);
        }
        CHECK(conns.next_expiry() == start + 10s);
        conns.clear();
        CHECK(conns.next_expiry() == clock.now() + 10s);
    }
    conns.close();
    CHECK(conns.next_expiry() == pool::manual_clock::time_point::max());
}

TEST_CASE_FIXTURE(fixture, "sharded_pool: the figures are those of all shards, and add up [C16]") {
    conns.reconfigure({.max_idle = 8, .max_idle_per_key = 2});
    std::uint64_t look_ups = 0;
    const auto check = [&] { figures::check_exact(conns.stats(), look_ups); };
    for (const int key : keys) {
        for (int n = 0; n < 3; ++n) put(key);
        check();
        ++look_ups;
        auto lent = conns.try_acquire(key);
        check();
        lent.discard();
        ++look_ups;
        conns.acquire(key, net.dialer()).give_back();
        check();
        ++look_ups;
        CHECK_FALSE(conns.take(key + 1'000));
        check();
    }
    const pool::stats seen = conns.stats();
    CHECK(seen.hits == 8);
    CHECK(seen.misses == 4);
    CHECK(seen.evicted == 4);
    CHECK(seen.discarded == 4);
    CHECK(seen.idle == 4);
    CHECK(seen.keys == 4);
}

TEST_CASE("sharded_pool: leases, lazy connections and streams of any shard outlive the pool [C1]") {
    fixture f;
    auto conns = std::make_unique<pool_of<4>>();
    std::vector<pool_of<4>::lease_type> leases;
    std::vector<decltype(conns->get(0, f.net.dialer()))> peers;
    for (const int key : f.keys) {
        leases.push_back(conns->acquire(key, f.net.dialer()));
        peers.push_back(conns->get(key, f.net.dialer()));
    }
    auto rows = peers[3].open_stream([](fake::connection& conn) { return fake::stream{conn, 1}; });
    for (const int key : f.keys) conns->put(key, f.net.dial());
    conns.reset();
    CHECK(f.net.open() == 5);
    for (auto& peer : peers) CHECK_THROWS_AS(peer.invoke([](fake::connection&) {}), pool::pool_closed);
    leases.clear();
    rows.next();
    CHECK(f.net.open() == 0);
}

TEST_CASE("sharded_pool: it has a name, a clock, and the types of a pool") {
    fixture f;
    CHECK(f.conns.name() == "peers");
    f.clock.advance(3s);
    CHECK(f.conns.clock().now() == f.clock.now());
    using type = pool_of<4>;
    static_assert(std::is_same_v<type::key_type, int>);
    static_assert(std::is_same_v<type::connection_type, fake::connection>);
    static_assert(std::is_same_v<type::lock_type, pool::null_mutex>);
    static_assert(std::is_same_v<type::clock_type, pool::manual_clock>);
    static_assert(std::is_same_v<type::time_point, pool::manual_clock::time_point>);
    static_assert(type::can_expire);
    static_assert(!std::is_copy_constructible_v<type> && !std::is_move_constructible_v<type>);
}

TEST_CASE("sharded_pool: a reaper sweeps every shard") {
    fake::network net;
    pool::manual_clock clock;
    pool::sharded_pool<4, int, fake::connection, pool::unlimited, pool::after_idle, std::mutex, pool::manual_clock>
        conns{{}, 10s, {}, clock};
    for (int key = 0; key < many; ++key) conns.put(key, net.dial());
    const pool::reaper reaper{conns};
    clock.advance(10s);
    while (conns.stats().idle != 0) std::this_thread::yield();
    CHECK(conns.stats().expired == many);
}
