// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/error.hpp>
#include <pool/stats.hpp>

#include <support/bounded_pool.hpp>
#include <support/fake.hpp>
#include <support/ids.hpp>
#include <support/latch.hpp>

// The bounds on open connections, and the connections that are closed to make room.

namespace bounded_bounds_cases {

using namespace std::chrono_literals;
using namespace bounded_pools;
using fake::ids;

TEST_CASE("bounded: nobody waits while there is room") {
    fixture f{strict({.max_open = 2})};
    const auto first = f.acquire("a");
    const auto second = f.acquire("b");
    CHECK(f.conns.stats().lent == 2);
    CHECK_FALSE(f.conns.try_acquire("a"));
    CHECK(f.net.dials() == 2);
}

TEST_CASE("bounded: the bound of a key holds, and other keys are free") {
    fixture f{strict({.max_open_per_key = 1})};
    auto lent = f.acquire("a");
    auto next = f.waits("a");
    CHECK(f.acquire("b")->id() == 2);
    lent.give_back();
    CHECK(next.got()->id() == 1);
}

TEST_CASE("bounded: room is an unused permit, or else the place of the oldest idle connection of another key") {
    fixture f{strict({.max_open = 3})};
    f.put("a");
    f.put("b");
    const auto third = f.acquire("c");
    CHECK(f.net.closed().empty());
    const auto fourth = f.acquire("d");
    CHECK(f.net.closed() == ids{1});
    const auto fifth = f.acquire("d");
    CHECK(f.net.closed() == ids{2});
    CHECK(f.conns.stats().evicted == 2);
}

TEST_CASE("bounded: a blocked idle connection of the caller's own key is no room") {
    fixture f{strict({.max_open = 2})};
    f.put("a");
    f.put("b");
    f.net[1].blocked = true;
    const auto got = f.acquire("a");
    CHECK(f.net.closed() == ids{2});
    CHECK(f.conns.stats("a") == pool::key_stats{.idle = 1, .lent = 1});
}

TEST_CASE("bounded: a connection is closed before another is dialled in its place") {
    fixture f{strict({.max_open = 1})};
    f.put("a");
    bool closed_before = false;
    const auto got = f.conns.acquire("b", [&](const std::string&) {
        closed_before = f.net.closed() == ids{1};
        return f.net.dial();
    });
    CHECK(closed_before);
}

TEST_CASE("bounded: a connection that is being closed is still open") {
    fixture f{strict({.max_open = 1})};
    auto lent = f.acquire("a");
    pool::stats during;
    f.net[1].on_close = [&] {
        CHECK_FALSE(f.conns.try_acquire("b"));
        during = f.conns.stats();
    };
    auto next = f.waits("b");
    lent.discard();
    CHECK(during.closing == 1);
    CHECK(during.waiting == 1);
    CHECK(during.dialing == 0);
    CHECK(next.got()->id() == 2);
}

TEST_CASE("bounded: each close of many frees its own permit") {
    fixture f{strict({.max_open = 3})};
    for (const char* key : {"a", "a", "a"}) f.put(key);
    for (int id = 1; id <= 3; ++id) f.net[id].blocked = true;
    auto& last = f.net[3];
    gate closing;
    last.on_close = [&] { closing.pass(); };
    std::thread other{[&] { f.conns.clear(); }};
    closing.reached.wait();
    {
        const auto first = f.acquire("b");
        const auto second = f.acquire("b");
        CHECK(f.conns.stats().closing == 1);
        CHECK_THROWS_AS((void)f.conns.acquire("b", f.net.dialer(), f.clock.now()), pool::acquire_timeout);
    }
    closing.open.count_down();
    other.join();
}

TEST_CASE("bounded: a lease that moves holds its permit") {
    fixture f{strict({.max_open = 1})};
    auto lent = f.acquire("a");
    auto moved = std::move(lent);
    auto next = f.waits("a");
    CHECK(f.conns.stats().waiting == 1);
    lent = std::move(moved);
    CHECK(f.conns.stats().waiting == 1);
    lent = {};
    CHECK(next.got()->id() == 1);
}

TEST_CASE("bounded: a raw connection is not kept beyond the bound") {
    fixture f{strict({.max_open = 2, .max_open_per_key = 1})};
    f.put("a");
    f.put("a");
    CHECK(f.net.closed() == ids{2});
    f.put("b");
    f.put("c");
    CHECK(f.net.closed() == ids{4});
    CHECK(f.conns.stats().refused == 2);
}

TEST_CASE("bounded: idle connections have bounds of their own, and callers that wait come first") {
    fixture f{strict({.max_open = 2, .max_idle = 0})};
    auto lent = f.acquire("a");
    auto other = f.acquire("a");
    auto next = f.waits("a");
    lent.give_back();
    auto got = next.got();
    CHECK(got->id() == 1);
    got.give_back();
    CHECK(f.net.closed() == ids{1});
}

TEST_CASE("bounded: a smaller bound closes idle connections at once, and lent ones when they come back") {
    fixture f{strict({.max_open = 4})};
    auto first = f.acquire("a");
    auto second = f.acquire("b");
    f.put("c");
    f.put("d");
    CHECK(f.conns.reconfigure(strict({.max_open = 1})) == 2);
    CHECK(f.net.closed() == ids{3, 4});
    auto next = f.waits("c");
    first.give_back();
    CHECK(f.net.closed() == ids{1});
    CHECK(f.conns.stats().waiting == 1);
    second.give_back();
    CHECK(next.got()->id() == 5);
    CHECK(f.net.open() == 1);
}

TEST_CASE("bounded: a smaller bound of each key does the same") {
    fixture f{strict({})};
    auto first = f.acquire("a");
    auto second = f.acquire("a");
    f.put("a");
    CHECK(f.conns.reconfigure(strict({.max_open_per_key = 1})) == 1);
    first.give_back();
    second.give_back();
    CHECK(f.net.closed() == ids{3, 1});
    CHECK(f.conns.stats().idle == 1);
}

TEST_CASE("bounded: dials of one key are bounded") {
    constexpr int callers = 12;
    fixture f{strict({.max_dials_per_key = 2})};
    std::atomic<int> dialling{0};
    std::atomic<int> most{0};
    const auto dial = [&](const std::string&) {
        const int now = ++dialling;
        for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
        }
        const auto all_are_here = [&] { return f.conns.stats().waiting + f.conns.stats().lent + 2 >= callers; };
        while (most < 2 || !all_are_here()) std::this_thread::yield();
        --dialling;
        return f.net.dial();
    };
    std::vector<std::jthread> all;
    latch held{callers};
    for (int i = 0; i < callers; ++i) {
        all.emplace_back([&] {
            const auto lent = f.conns.acquire("a", dial);
            held.arrive_and_wait();
        });
    }
    all.clear();
    CHECK(most == 2);
    CHECK(f.net.dials() == callers);
    CHECK(f.conns.stats().idle == callers);
}

TEST_CASE("bounded: the pool may be called from a dial and from a close [C8]") {
    fixture f{strict({.max_open = 2})};
    f.put("x");
    f.net[1].on_close = [&] { CHECK(f.conns.try_acquire("z")); };
    f.put("z");
    const auto got = f.conns.acquire("a", [&](const std::string&) {
        CHECK_FALSE(f.conns.try_acquire("a"));
        CHECK(f.conns.stats().dialing == 1);
        return f.net.dial();
    });
    CHECK(got.key() == "a");
    CHECK(f.net.open() <= 2);
}

}  // namespace bounded_bounds_cases
