// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <chrono>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <pool/error.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/stats.hpp>

#include <support/bounded_pool.hpp>
#include <support/fake.hpp>
#include <support/ids.hpp>
#include <support/requests.hpp>

// Who closes the connections that a look-up has found expired or dead, and those that make room.

namespace bounded_left_closes_cases {

using namespace std::chrono_literals;
using namespace bounded_pools;
using fake::ids;
using pool::core::request_state;

namespace {

/// A pool with five expired connections of "a", which a look-up has retired and not closed, and one lent, of "b".
struct left_closes : fixture<pool::after_idle> {
    explicit left_closes(bounds capacity = strict({})) : fixture{capacity, pool::after_idle{1s}} {
        for (int i = 0; i != 5; ++i) put("a");
        clock.advance(1s);
        lent = acquire("b");
        CHECK_FALSE(conns.try_acquire("a"));
        CHECK(conns.stats().closing == 5);
        CHECK(net.closed().empty());
    }
    lease lent;
};

}  // namespace

TEST_CASE("bounded: look-ups close nothing") {
    left_closes f;
    SUBCASE("try_acquire") { CHECK_FALSE(f.conns.try_acquire("x")); }
    SUBCASE("take of nothing") { CHECK_FALSE(f.conns.take("x")); }
    SUBCASE("take") {
        f.conns.put("x", f.net.dial());
        CHECK(f.net.closed() == ids{1});
        f.conns.take("x")->close();
        CHECK(f.net.closed() == ids{7});
        return;
    }
    SUBCASE("acquire that dials") {
        const auto other = f.acquire("a");
        CHECK(f.net.closed().empty());
        CHECK(f.conns.stats().closing == 5);
        f.conns.expire();
        return;
    }
    SUBCASE("acquire that finds one") {
        f.lent.give_back();
        CHECK(f.net.closed() == ids{1});
        f.lent = f.acquire("b");
    }
    SUBCASE("a dial that fails") {
        const auto fails = [](const std::string&) -> fake::connection { throw std::runtime_error{"no answer"}; };
        CHECK_THROWS_AS((void)f.conns.acquire("a", fails), std::runtime_error);
    }
    CHECK(f.net.closed().empty());
}

TEST_CASE("bounded: who has finished with a connection makes its own closes, and one that a look-up has left") {
    left_closes f;
    SUBCASE("give-back") {
        f.lent.give_back();
        CHECK(f.net.closed() == ids{1});
    }
    SUBCASE("discard") {
        f.lent.discard();
        CHECK(f.net.closed() == ids{1, 2});
        CHECK(f.conns.stats().closing == 4);  // its own one among them: they are closed in their order
    }
    SUBCASE("put") {
        f.put("c");
        CHECK(f.net.closed() == ids{1});
    }
    SUBCASE("put of one that is not kept") {
        f.conns.reconfigure(strict({.max_idle = 0}));
        (void)f.net.closed();
        CHECK(f.conns.stats().closing == 0);
        f.put("c");
        CHECK(f.net.closed() == ids{7});
    }
    f.conns.close();
    CHECK(f.conns.stats().closing == 0);
}

TEST_CASE("bounded: sweeps close all that look-ups have left") {
    left_closes f;
    SUBCASE("expire") { CHECK(f.conns.expire() == 0); }
    SUBCASE("clear") { CHECK(f.conns.clear() == 0); }
    SUBCASE("clear of another key") { CHECK(f.conns.clear("x") == 0); }
    SUBCASE("reconfigure") { CHECK(f.conns.reconfigure(strict({})) == 0); }
    SUBCASE("upkeep") { CHECK(f.conns.upkeep() == 0); }
    SUBCASE("close") { CHECK(f.conns.close().empty()); }
    SUBCASE("drain") {
        f.lent.give_back();
        CHECK(f.conns.drain(fixture<>::never) == 0);
    }
    CHECK(f.net.closed() == ids{1, 2, 3, 4, 5});
    CHECK(f.conns.stats().closing == 0);
}

TEST_CASE("bounded: a caller that waits makes the closes that it waits for, and no more") {
    left_closes f{strict({.max_open = 6})};
    const auto got = f.acquire("c");
    CHECK(got->id() == 7);
    CHECK(f.net.closed() == ids{1});
    CHECK(f.conns.stats().closing == 4);
    CHECK(f.conns.stats().longest_wait == 0s);
}

TEST_CASE("bounded: a caller that waits leaves what its own close has caused to those who wait for that") {
    using pool_type = left_closes::pool_type;
    struct asker final : requests::request<pool_type> {
        explicit asker(pool::manual_clock::time_point deadline = left_closes::never) : request{true, deadline} {}
        bool notified() noexcept override { return ++times != 0; }
        int times = 0;
    };
    left_closes f{bounds{.max_open = 6, .patience = 1ms}};
    f.put("c");
    CHECK(f.net.closed() == ids{1});

    // One caller is nudged to take "c". The others are promised the permits of the four closes, but for the last.
    const auto soon = f.clock.now() + 1ms;
    asker nudged{soon};
    asker closes{soon};
    asker late{soon};
    std::array<asker, 5> others;
    requests::submit(f.conns, nudged, "c");
    CHECK(nudged.state() == request_state::nudged);
    requests::submit(f.conns, closes, "d");
    CHECK(closes.state() == request_state::promised);
    requests::submit(f.conns, late, "c");
    CHECK(late.state() == request_state::promised);
    for (asker& each : others) requests::submit(f.conns, each, "e");
    CHECK(others[1].state() == request_state::promised);
    CHECK(others[2].state() == request_state::able);

    // At the end of the close three of them have given up, so "c" makes room for the last.
    f.net[2].on_close = [&] { f.clock.advance(1ms); };
    CHECK(requests::state(f.conns).close_for(closes));
    CHECK(closes.state() == request_state::timed_out);
    CHECK(nudged.state() == request_state::timed_out);
    CHECK(f.net.closed() == ids{2});
    CHECK(f.conns.stats().closing == 4);
    CHECK(others[0].state() == request_state::may_dial);
    CHECK(others[4].state() == request_state::promised);
    CHECK(others[4].times == 0);  // its caller is about to look for the first time
    f.conns.close();
    for (asker& each : others) requests::cancel(f.conns, each);
}

TEST_CASE("bounded: a caller that hangs in a close does not hold up the other closes") {
    left_closes f{strict({.max_open = 6})};
    gate hangs;
    f.net[1].on_close = [&] { hangs.pass(); };
    std::thread first{[&] { CHECK(f.acquire("c").key() == "c"); }};
    hangs.reached.wait();
    const auto second = f.acquire("c");  // closes another one, and gets its permit
    CHECK(second.key() == "c");
    CHECK(f.conns.stats().waiting == 1);
    CHECK(f.conns.stats().dials == 2);
    hangs.open.count_down();
    first.join();
    CHECK(f.conns.stats().dials == 3);
    CHECK(f.net.open() <= 6);
}

TEST_CASE("bounded: a drain closes what look-ups leave while it waits") {
    left_closes f;
    for (int i = 1; i != 6; ++i) f.net[i].dead = true;
    f.put("a");
    f.clock.advance(1s);
    latch closed{1};
    f.net[7].on_close = [&] { closed.count_down(); };
    std::thread drains{[&] { CHECK(f.conns.drain(fixture<>::never) == 0); }};
    while (f.conns.stats().closing != 0) std::this_thread::yield();
    CHECK_FALSE(f.conns.try_acquire("a"));
    closed.wait();
    f.lent.give_back();
    CHECK(f.conns.clear() == 1);
    drains.join();
}

TEST_CASE("bounded: a caller that leaves its close to others harms nobody") {
    fixture f{strict({.max_open = 1})};
    f.put("a");
    gate hangs;
    f.net[1].on_close = [&] { hangs.pass(); };
    decltype(f)::caller closer{[&](const std::stop_token& stop) {
        return f.conns.acquire("b", f.net.dialer(), stop);  // it is late itself: it closes what it waits for
    }};
    hangs.reached.wait();
    auto next = f.waits("c");
    closer.cancel();
    CHECK(f.conns.stats().waiting == 2);
    hangs.open.count_down();
    CHECK(closer.error().find("cancelled") != std::string::npos);
    CHECK(next.got().key() == "c");
    CHECK(f.conns.stats().closing == 0);
}

}  // namespace bounded_left_closes_cases
