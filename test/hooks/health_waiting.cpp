// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <pool/error.hpp>

#include <support/tended_pool.hpp>

// Health checks in a pool that bounds what is open. A caller whose check has failed keeps its turn.

using namespace tended;
using fixture_of_open = fixture<open_pool>;

namespace {

pool::bounded_open one() { return {.max_open = 1, .max_waiting = 0, .patience = 0ns}; }

}  // namespace

TEST_CASE("health, waiting: at the bound, the finder closes what is not healthy, and dials with its permit [C20]") {
    fixture_of_open f{{}, one()};
    f.put("a");
    f.far(1).on_check = [] { return false; };
    f.dials.next([&](const auto&) {
        CHECK(f.far(1).closes == 1);
        CHECK(f.stats().lent + f.stats().closing + f.stats().idle == 0);
        CHECK(f.stats().dialing == 1);
    });
    CHECK(f.acquire()->id() == 2);
    CHECK(f.stats().found_unhealthy == 1);
    f.check_sums(1);
}

TEST_CASE("health, waiting: a caller that comes during the check or the close does not get the permit [C20]") {
    fixture_of_open f{{}, one()};
    f.put("a");
    int refused = 0;
    const auto comes = [&] {
        for (const char* const key : {"a", "b"}) {
            try {
                (void)f.acquire(key);
            } catch (const pool::queue_full&) {
                ++refused;
            }
        }
        return false;
    };
    f.far(1).on_check = comes;
    f.far(1).on_close = [&] { comes(); };
    CHECK(f.acquire()->id() == 2);
    CHECK(refused == 4);
    f.check_sums(5);
}

TEST_CASE("health, waiting: a caller that waits longer is not overtaken by one whose check fails") {
    fixture_of_open f{{}, {.max_open = 2, .patience = 0ns}};
    f.put("a");
    auto lent = f.acquire("b");
    std::optional<std::thread> other;
    std::atomic<int> got = 0;
    f.far(1).on_check = [&] {
        other.emplace([&] {
            auto mine = f.acquire("c");
            got = mine->id();
        });
        while (f.stats().waiting == 0) std::this_thread::yield();
        return false;
    };
    {
        auto mine = f.acquire();
        CHECK(mine->id() == 3);  // it has its own permit
        lent.discard();          // and the other one this
        other->join();
    }
    CHECK(got == 4);
    f.check_sums(3);
}

TEST_CASE("health, waiting: a connection that was handed over is checked, too [C20]") {
    fixture_of_open f{{}, {.max_open = 1, .patience = 0ns}};
    auto lent = f.acquire();
    f.far(1).on_check = [] { return false; };
    std::atomic<int> got = 0;
    std::thread waits{[&] { got = f.acquire()->id(); }};
    while (f.stats().waiting == 0) std::this_thread::yield();
    lent.give_back();
    waits.join();
    CHECK(got == 2);
    CHECK(f.far(1).closes == 1);
    CHECK(f.stats().found_unhealthy == 1);
    f.check_sums(2);
}

TEST_CASE("health, waiting: a caller whose deadline passes during a check gets nothing") {
    for (const bool passes : {true, false}) {
        fixture_of_open f{{}, one()};
        f.put("a");
        f.far(1).on_check = [&] {
            f.clock.advance(5s);
            return passes;
        };
        CHECK_THROWS_AS((void)f.conns->acquire("a", f.dial(), f.clock.now() + 5s), pool::acquire_timeout);
        CHECK(f.dials.dials() == 1);
        CHECK(f.far(1).closes == !passes);
        CHECK(f.stats().idle == passes);
        CHECK(f.stats().hits == passes);
        f.check_sums(1);
        CHECK(f.conns->acquire("a", f.dial(), f.clock.now() + 5s + tick)->id() == (passes ? 1 : 2));
    }
}

TEST_CASE("health, waiting: a caller that is stopped during a check gets nothing") {
    for (const bool passes : {true, false}) {
        fixture_of_open f{{}, one()};
        f.put("a");
        std::stop_source stop;
        f.far(1).on_check = [&] {
            stop.request_stop();
            return passes;
        };
        CHECK_THROWS_AS((void)f.conns->acquire("a", f.dial(), stop.get_token()), pool::acquire_cancelled);
        CHECK(f.dials.dials() == 1);
        CHECK(f.stats().idle == passes);
        f.check_sums(1);
        CHECK(f.acquire()->id() == (passes ? 1 : 2));
    }
}

TEST_CASE("health, waiting: bounds that are lowered during a check hold: the finder waits for its turn") {
    fixture_of_open f{{}, {.max_open = 2, .patience = 0ns}};
    f.put("a");
    auto lent = f.acquire("a");
    f.put("a");
    f.far(2).on_check = [&] {
        f.conns->reconfigure({.max_open = 1, .patience = 0ns});
        return false;
    };
    int most = 0;
    f.far(2).on_close = [&] {
        most = f.dials.open();
        lent.give_back();  // now it is this one's turn
    };
    CHECK(f.acquire()->id() == 1);
    CHECK(most == 1);
    CHECK(f.dials.dials() == 2);
    f.check_sums(2);
}

TEST_CASE("health, waiting: a checked connection that exceeds new bounds is lent, and closed when it comes back") {
    fixture_of_open f{{}, {.max_open = 2, .patience = 0ns}};
    f.put("a");
    auto lent = f.acquire("a");
    f.put("a");
    f.far(2).on_check = [&] {
        f.conns->reconfigure({.max_open = 1, .patience = 0ns});
        return true;
    };
    CHECK(f.acquire()->id() == 2);
    CHECK(f.far(2).closes == 1);
    CHECK(f.stats().refused == 1);
    CHECK(f.history(2) == "dialled for a, checked, closed");  // without a reset
    lent.give_back();
    CHECK(f.stats().idle == 1);
    f.check_sums(2);
}

TEST_CASE("health, waiting: a pool that is closed during the close of an unhealthy one refuses its finder") {
    fixture_of_open f{{}, one()};
    f.put("a");
    f.far(1).on_check = [] { return false; };
    f.far(1).on_close = [&] { f.conns->close(); };
    CHECK_THROWS_AS((void)f.acquire(), pool::pool_closed);
    CHECK(f.dials.dials() == 1);
    CHECK(f.stats().closing == 0);
    f.check_sums(1);
}

TEST_CASE("health, waiting: a connection of another key is closed for a caller as before, unchecked") {
    fixture_of_open f{{}, one()};
    f.put("b");
    CHECK(f.acquire("a")->id() == 2);
    CHECK(f.history(1) == "dialled for b, closed");
    f.check_sums(1);
}
