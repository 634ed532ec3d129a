// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/bounded_pool.hpp>
#include <pool/reaper.hpp>
#include <pool/sharded_pool.hpp>

#include <support/bounded_pool.hpp>
#include <support/contract_pools.hpp>
#include <support/fake.hpp>
#include <support/ids.hpp>
#include <support/strict.hpp>

// What a reaper does, and when: `upkeep` and `next_upkeep`.

namespace upkeep_cases {

using namespace std::chrono_literals;
using fake::ids;

namespace {

using time_point = pool::manual_clock::time_point;

template <class Capacity, class Expiry = pool::never>
using pool_of = pool::basic_pool<std::string, fake::connection, Capacity, Expiry, std::mutex, pool::manual_clock>;

/// A manual clock that must not be read under the lock of a pool.
struct wary_clock : pool::manual_clock {
    time_point now() const noexcept {
        CHECK_FALSE(contract::watched_lock::held);
        return pool::manual_clock::now();
    }
};

}  // namespace

TEST_CASE_TEMPLATE("upkeep: closes what has expired, and what look-ups have left", Pool,
    pool_of<pool::unlimited, pool::after_idle>, pool_of<pool::bounded_open, pool::after_idle>,
    pool::sharded_pool<2, std::string, fake::connection, pool::unlimited, pool::after_idle, std::mutex,
        pool::manual_clock>) {
    fake::network net;
    pool::manual_clock clock;
    Pool conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    clock.advance(10s);
    CHECK_FALSE(conns.try_acquire("a"));
    conns.put("b", net.dial());
    clock.advance(9s);
    conns.put("a", net.dial());
    CHECK(conns.next_upkeep() <= clock.now() + 1s);
    clock.advance(1s);
    CHECK(conns.upkeep() == 1);
    CHECK(conns.stats().expired == 2);
    CHECK(conns.stats().idle == 1);
    CHECK(conns.stats().closing == 0);
    CHECK(net.open() == 1);
}

TEST_CASE("upkeep: in a pool that never waits, it is due at the next expiry, or never") {
    fake::network net;
    pool::manual_clock clock;
    pool_of<pool::unlimited, pool::after_idle> expires{{}, 10s, {}, clock};
    CHECK(expires.next_upkeep() == expires.next_expiry());
    expires.put("a", net.dial());
    clock.advance(4s);
    CHECK(expires.next_upkeep() == clock.now() + 6s);
    pool_of<pool::unlimited> lives{{}, {}, {}, clock};
    lives.put("a", net.dial());
    CHECK(lives.next_upkeep() == time_point::max());
    CHECK(lives.upkeep() == 0);
}

TEST_CASE("upkeep: in a pool that bounds what is open, it is due in a second, and sooner for a blocked connection") {
    using bounded_pools::fixture;
    fixture<> f{strict({.max_open_per_key = 1})};
    CHECK(f.conns.next_upkeep() == f.clock.now() + 1s);
    f.put("a");
    f.net[1].blocked = true;
    CHECK(f.conns.next_upkeep() == f.clock.now() + 1s);  // nobody waits for it
    auto waits = f.waits("a");
    CHECK(f.conns.next_upkeep() == f.clock.now() + 10ms);
    CHECK(f.conns.upkeep() == 0);
    CHECK(f.conns.next_upkeep() == f.clock.now() + 10ms);
    f.net[1].blocked = false;
    f.conns.upkeep();
    CHECK(waits.got()->id() == 1);
    CHECK(f.conns.next_upkeep() == f.clock.now() + 1s);
    f.conns.close();
    CHECK(f.conns.next_upkeep() == time_point::max());
}

TEST_CASE("upkeep: an expiry may be due before that") {
    pool::manual_clock clock;
    pool_of<pool::bounded_open, pool::after_idle> conns{{}, 300ms, {}, clock};
    CHECK(conns.next_upkeep() == clock.now() + 300ms);
}

TEST_CASE("upkeep: the time saturates [C18]") {
    pool::manual_clock clock;
    clock.advance(pool::manual_clock::duration::max());
    pool_of<pool::bounded_open> conns{{}, {}, {}, clock};
    CHECK(conns.next_upkeep() == time_point::max());
}

TEST_CASE("upkeep: the clock is read without the lock [C8]") {
    fake::network net;
    wary_clock clock;
    pool::basic_pool<std::string, fake::connection, pool::bounded_open, pool::after_idle, contract::watched_lock,
        wary_clock>
        conns{{.max_open = 2}, 10s, {}, clock};
    conns.put("a", net.dial());
    CHECK(conns.next_upkeep() == clock.now() + 1s);
    clock.advance(10s);
    CHECK(conns.upkeep() == 1);
}

TEST_CASE("upkeep: the reaper of a pool that bounds what is open serves a caller that waits for a blocked connection") {
    fake::network net;
    pool::manual_clock clock;
    pool::bounded_pool<std::string, fake::connection, pool::manual_clock> conns{{.max_open_per_key = 1}, clock};
    conns.put("a", net.dial());
    net[1].blocked = true;
    using caller = bounded_pools::caller<decltype(conns)>;
    caller waits{conns, [&](const std::stop_token&) { return conns.acquire("a", net.dialer()); }};
    net[1].blocked = false;
    while (conns.stats().waiting != 0) {
        clock.advance(10ms);
        std::this_thread::yield();
    }
    CHECK(waits.got()->id() == 1);
}

}  // namespace upkeep_cases
