// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <pool/error.hpp>
#include <pool/stats.hpp>

#include <support/bounded_pool.hpp>
#include <support/fake.hpp>
#include <support/ids.hpp>

// The end of a pool: callers that wait, dials under way, and drain.

namespace bounded_closing_cases {

using namespace std::chrono_literals;
using namespace bounded_pools;
using fake::ids;

TEST_CASE("bounded: close fails all callers that wait [C11]") {
    fixture f{strict({.max_open = 1})};
    auto lent = f.acquire("a");
    auto first = f.waits("a");
    auto second = f.waits("b");
    CHECK(f.conns.close().empty());
    CHECK_THROWS_AS((void)first.got(), pool::pool_closed);
    CHECK_THROWS_AS((void)second.got(), pool::pool_closed);
    CHECK_THROWS_AS((void)f.acquire("a"), pool::pool_closed);
    lent.give_back();
    CHECK(f.net.closed() == ids{1});
    const pool::stats s = f.conns.stats();
    CHECK(s.hits + s.misses == 4);
}

TEST_CASE("bounded: a connection whose dial ends after the close is closed") {
    fixture f{strict({.max_open = 1})};
    CHECK_THROWS_AS((void)f.conns.acquire("a",
                        [&](const std::string&) {
                            f.conns.close();
                            return f.net.dial();
                        }),
        pool::pool_closed);
    CHECK(f.net.closed() == ids{1});
    CHECK(f.conns.stats().dialing == 0);
    CHECK(f.conns.stats().keys == 0);
}

TEST_CASE("bounded: drain waits for lent connections, until its deadline") {
    fixture f{strict({.max_open = 2})};
    auto first = f.acquire("a");
    auto second = f.acquire("a");
    f.conns.close();
    CHECK(f.conns.drain(f.clock.now()) == 2);
    CHECK(f.conns.drain(0s) == 2);
    std::size_t left = 3;
    std::thread waiting{[&, deadline = f.clock.now() + 1s] { left = f.conns.drain(deadline); }};
    SUBCASE("all come back") {
        first.give_back();
        second.discard();
        waiting.join();
        CHECK(left == 0);
    }
    SUBCASE("one does not") {
        first.give_back();
        f.clock.advance(1s);
        waiting.join();
        CHECK(left == 1);
    }
}

TEST_CASE("bounded: drain waits for as long as it is told") {
    fixture f{strict({.max_open = 1})};
    auto lent = f.acquire("a");
    std::atomic<std::size_t> left = 2;
    SUBCASE("for ever") {
        std::thread waiting{[&] { left = f.conns.drain(std::chrono::hours::max()); }};
        f.clock.advance(std::chrono::hours{1'000'000});
        lent.give_back();
        f.conns.close();
        waiting.join();
        CHECK(left == 0);
    }
    SUBCASE("a minute") {
        const auto start = f.clock.now();
        std::thread waiting{[&] { left = f.conns.drain(1min); }};
        while (left == 2) {
            f.clock.advance(1s);
            std::this_thread::yield();
        }
        waiting.join();
        CHECK(left == 1);
        CHECK(f.clock.now() >= start + 1min);
    }
}

namespace {

/// A lock that calls a function before it is locked for the n-th time.
struct hooked_mutex : std::mutex {
    void lock() {
        if (countdown != 0 && --countdown == 0) hook();
        std::mutex::lock();
    }
    static inline thread_local int countdown = 0;
    static inline thread_local std::function<void()> hook;
};

}  // namespace

TEST_CASE("bounded: drain closes what is retired just before it waits") {
    using pool_type =
        pool::basic_pool<std::string, fake::connection, bounds, pool::never, hooked_mutex, pool::manual_clock>;
    fake::network net;
    pool_type conns{strict({.max_open = 2})};
    auto lent = conns.acquire("b", net.dialer());
    conns.put("a", net.dial());
    net[2].dead = true;
    std::size_t left = 1;
    std::thread drains{[&] {
        hooked_mutex::hook = [&] {
            std::thread{[&] {
                lent.detach().close();
                CHECK_FALSE(conns.try_acquire("a"));
                CHECK(conns.stats().closing == 1);
            }}.join();
        };
        hooked_mutex::countdown = 2;  // it looks for one to close, and then at what is left
        left = conns.drain(fixture<>::never);
    }};
    drains.join();
    CHECK(left == 0);
}

TEST_CASE("bounded: drain waits for closes, too") {
    fixture f{strict({.max_open = 2})};
    gate closing;
    auto lent = f.acquire("a");
    lent->far().on_close = [&] { closing.pass(); };
    std::thread other{[&] { lent.discard(); }};
    closing.reached.wait();
    CHECK(f.conns.drain(f.clock.now()) == 1);
    std::thread waiting{[&] { CHECK(f.conns.drain(fixture<>::never) == 0); }};
    closing.open.count_down();
    waiting.join();
    other.join();
}

}  // namespace bounded_closing_cases
