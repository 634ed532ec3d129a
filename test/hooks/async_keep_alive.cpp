// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <cstddef>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <support/later_hooks.hpp>

// Idle connections are kept alive by asynchronous operations, which `upkeep` starts.

using namespace later;
using time_point = pool::manual_clock::time_point;

namespace {

const pool::pool_settings often{.keep_alive_every = 10s};

/// All keep-alives end when the test says so.
template <class Pool>
struct alive_fixture : later_fixture<Pool> {
    explicit alive_fixture(
        pool::pool_settings settings = often, capacity_of<Pool> capacity = {}, std::chrono::seconds lifetime = 1'000s)
        : later_fixture<Pool>{std::move(settings), capacity, lifetime} {
        this->dials.prepare([this](far_end& far) { far.on_async_keep_alive = this->begun.later(); });
    }

    /// Lends all connections of a key. Returns their numbers, in order.
    ids order() {
        ids all;
        std::vector<typename Pool::lease_type> lent;
        while (auto next = this->conns->try_acquire("a")) {
            all.push_back(next->id());
            lent.push_back(std::move(next));
        }
        return all;
    }
};

}  // namespace

TEST_CASE_TEMPLATE("async keep alive: upkeep does not wait for it, and the connection is lent until it ends [C22]",
    Pool, later_idle, later_open, later_shards) {
    alive_fixture<Pool> f;
    f.put("a");
    f.clock.advance(10s - tick);
    f.conns->upkeep();
    CHECK(f.begun.running() == 0);
    f.clock.advance(tick);
    f.conns->upkeep();
    CHECK(f.begun.running() == 1);
    CHECK(f.stats().lent == 1);
    CHECK(f.stats().checking == 1);
    CHECK(f.stats().puts == figures::accounted_puts(f.stats()));
    CHECK_FALSE(f.conns->try_acquire("a"));
    f.clock.advance(20s);
    f.conns->upkeep();
    CHECK(f.begun.running() == 1);  // never twice at once
    f.begun.take()(true);
    CHECK(f.stats().kept_alive == 1);
    CHECK(f.stats().idle == 1);
    f.clock.advance(10s - tick);
    f.conns->upkeep();
    CHECK(f.begun.running() == 0);  // the peer was heard of when it ended
    f.clock.advance(tick);
    f.conns->upkeep();
    CHECK(f.begun.running() == 1);
    f.begun.take()(true);
    CHECK(f.history(1) == "dialled for a, kept alive 2 times");
    f.check_sums(1);
}

TEST_CASE_TEMPLATE("async keep alive: all that are due begin at once, and each goes back to its place [C4, C22]", Pool,
    later_idle, later_open, later_shards) {
    for (const std::array<std::size_t, 3> ends : {std::array<std::size_t, 3>{0, 0, 0}, {2, 1, 0}, {1, 0, 0}}) {
        alive_fixture<Pool> f;
        f.put("a", 3);
        f.clock.advance(10s);
        f.conns->upkeep();
        CHECK(f.begun.running() == 3);
        for (const std::size_t which : ends) f.begun.take(which)(true);
        CHECK(f.order() == ids{1, 2, 3});
    }
}

TEST_CASE_TEMPLATE("async keep alive: it changes neither the idle age nor the expiry [C7, C22]", Pool, later_idle,
    later_open, later_shards) {
    alive_fixture<Pool> f{often, {}, 30s};
    f.put("a", 2);
    f.clock.advance(10s);
    f.conns->upkeep();
    CHECK(f.conns->expire() == 0);
    f.clock.advance(5s);
    f.begun.take()(true);
    CHECK(f.conns->next_expiry() == time_point{30s});
    f.clock.advance(15s);
    CHECK(f.conns->expire() == 1);
    CHECK(f.stats().lent == 1);
    f.begun.take()(true);
    CHECK_FALSE(f.conns->try_acquire("a"));  // it has expired meanwhile
    CHECK(f.stats().expired == 2);
    f.check_sums(1);
}

TEST_CASE_TEMPLATE("async keep alive: an expiry policy that was replaced meanwhile holds for it, too [C7, C22]", Pool,
    later_idle, later_open, later_shards) {
    for (const auto lifetime : {20s, 1'000'000s}) {
        alive_fixture<Pool> f{often, {}, 100s};
        f.put("a");
        f.clock.advance(10s);
        f.conns->upkeep();
        f.conns->reconfigure(pool::after_idle{lifetime});
        f.begun.take()(true);
        CHECK(f.conns->next_expiry() == time_point{lifetime == 20s ? 30s : 100s});  // it is lowered, and not raised
        f.clock.advance(20s);
        CHECK(f.conns->expire() == (lifetime == 20s));
        f.check_sums(0);
    }
}

TEST_CASE_TEMPLATE(
    "async keep alive: without a yes the connection is closed [C22]", Pool, later_idle, later_open, later_shards) {
    for (const refusal& each : refusals()) {
        CAPTURE(each.name);
        later_fixture<Pool> f{often};
        f.put("a", 2);
        f.far(1).on_async_keep_alive = each.act;
        f.clock.advance(10s);
        f.conns->upkeep();
        CHECK(f.history(1) == "dialled for a, kept alive, closed");
        CHECK(f.history(2) == "dialled for a, kept alive");
        CHECK(f.stats().failed_keep_alives == 1);
        CHECK(f.stats().kept_alive == 1);
        f.check_sums(0);
    }
}

TEST_CASE_TEMPLATE("async keep alive: it may end in another thread [C22]", Pool, later_idle, later_open) {
    for (const bool is_good : {true, false}) {
        alive_fixture<Pool> f;
        f.put("a");
        f.clock.advance(10s);
        f.conns->upkeep();
        std::thread{[&] { f.begun.take()(is_good); }}.join();
        CHECK(f.stats().idle == is_good);
        CHECK(f.far(1).closes == !is_good);
        f.check_sums(0);
    }
}

TEST_CASE_TEMPLATE("async keep alive: the pool may be closed, or end, or have no room, before it ends [C22, C23]", Pool,
    later_idle, later_open) {
    for (const bool is_good : {true, false}) {
        for (const int what : {1, 2, 3}) {
            alive_fixture<Pool> f;
            f.put("a");
            f.clock.advance(10s);
            f.conns->upkeep();
            if (what == 1) f.conns->close();
            else if (what == 2) f.conns.reset();
            else f.conns->reconfigure({.max_idle = 0});
            CHECK(f.far(1).closes == 0);
            f.begun.take()(is_good);
            CHECK(f.far(1).closes == 1);
            if (!f.conns) continue;
            CHECK(f.stats().failed_keep_alives == !is_good);
            CHECK(f.stats().cleared == (is_good && what == 1));
            CHECK(f.stats().evicted == (is_good && what == 3));
            f.check_sums(0);
        }
    }
}

TEST_CASE("async keep alive: a caller that waits gets the connection when it is back, or its permit [C22]") {
    for (const bool is_good : {true, false}) {
        alive_fixture<later_open> f{often, {.max_open = 1, .patience = 0ns}};
        f.put("a");
        f.clock.advance(10s);
        f.conns->upkeep();
        int got = 0;
        std::thread waits{[&] { got = f.acquire()->id(); }};
        while (f.stats().waiting == 0) std::this_thread::yield();
        f.begun.take()(is_good);
        waits.join();
        CHECK(got == (is_good ? 1 : 2));
        f.check_sums(1);
    }
}

TEST_CASE_TEMPLATE("async keep alive: next_upkeep counts from the end of each", Pool, later_idle, later_shards) {
    alive_fixture<Pool> f;
    f.put("a");
    f.clock.advance(10s);
    f.conns->upkeep();
    f.clock.advance(3s);
    f.begun.take()(true);
    CHECK(f.conns->next_upkeep() <= time_point{23s});
    f.clock.advance(7s);
    f.conns->upkeep();
    CHECK(f.begun.running() == 0);
    CHECK(f.conns->next_upkeep() == time_point{23s});
}

TEST_CASE_TEMPLATE("async keep alive: many that end at once, in batches", Pool, later_idle, later_open) {
    constexpr std::size_t many = 300;
    capacity_of<Pool> bounds{.max_idle = many, .max_idle_per_key = many};
    if constexpr (Pool::bounds_open) bounds.max_open = bounds.max_open_per_key = many;
    later_fixture<Pool> f{often, bounds};
    f.put("a", many);
    f.clock.advance(10s);
    f.conns->upkeep();
    CHECK(f.stats().kept_alive == many);
    f.check_sums(0);
}
