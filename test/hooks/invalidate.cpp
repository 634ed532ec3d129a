// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstdint>

#include <doctest/doctest.h>

#include <support/later_hooks.hpp>
#include <support/tended_pool.hpp>

// A pool is invalidated while a connection is checked, reset or kept alive.

using namespace tended;

TEST_CASE_TEMPLATE(
    "hooks, invalidate: a connection that is being checked may be used, and is closed when it comes back "
    "[C20, C24]",
    Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f;
    f.put("a", 2);
    bool is_healthy = true;
    SUBCASE("it is healthy") {}
    SUBCASE("it is not: its finder looks up again, finds nothing, and dials") { is_healthy = false; }
    f.far(1).on_check = [&] {
        CHECK(f.conns->invalidate() == 1);
        return is_healthy;
    };
    auto lent = f.acquire();
    CHECK(lent->id() == (is_healthy ? 1 : 3));
    lent.give_back();
    CHECK(f.stats().invalidated == (is_healthy ? 2 : 1));
    CHECK(f.stats().found_unhealthy == (is_healthy ? 0 : 1));
    CHECK(f.stats().idle == (is_healthy ? 0 : 1));
    f.check_sums(1);
}

TEST_CASE_TEMPLATE("hooks, invalidate: a connection that is taken may have been checked meanwhile [C20, C24]", Pool,
    idle_pool, open_pool, shards) {
    fixture<Pool> f;
    f.put("a");
    f.far(1).on_check = [&] { return f.conns->invalidate("a") == 0; };
    auto taken = f.conns->take("a");
    REQUIRE(taken);
    CHECK(f.stats().hits == 1);
    taken->close();
    f.check_sums(1);
}

TEST_CASE_TEMPLATE(
    "hooks, invalidate: a connection that is outdated is not reset, and one that is being reset is closed "
    "[C21, C24]",
    Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f;
    auto lent = f.acquire();
    int resets = 0;
    SUBCASE("before its reset") {
        f.far(1).on_reset = [&] { ++resets; };
        f.conns->invalidate();
        lent.give_back();
        CHECK(resets == 0);
        CHECK(f.stats().invalidated == 1);
    }
    SUBCASE("during its reset") {
        f.far(1).on_reset = [&] { f.conns->invalidate(); };
        lent.give_back();
        CHECK(f.stats().invalidated == 1);
    }
    SUBCASE("during its reset, which fails") {
        f.far(1).on_reset = [&] {
            f.conns->invalidate();
            throw 1;
        };
        lent.give_back();
        CHECK(f.stats().failed_resets == 1);
        CHECK(f.stats().invalidated == 0);
    }
    CHECK(f.dials.closed() == ids{1});
    CHECK(f.stats().idle == 0);
    f.check_sums(1);
}

TEST_CASE_TEMPLATE("hooks, invalidate: a connection that is being kept alive is closed at the end of that [C22, C24]",
    Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f{{.keep_alive_every = 10s}};
    f.put("a", 2);
    bool is_alive = true;
    SUBCASE("it is alive") {}
    SUBCASE("it is not") { is_alive = false; }
    f.far(1).on_keep_alive = [&] {
        CHECK(f.conns->invalidate() == 1);
        if (!is_alive) throw 1;
    };
    f.clock.advance(10s);
    f.conns->upkeep();
    CHECK(f.dials.closed() == ids{2, 1});
    CHECK(f.stats().invalidated == (is_alive ? 2 : 1));
    CHECK(f.stats().failed_keep_alives == (is_alive ? 0 : 1));
    CHECK(f.stats().idle == 0);
    f.check_sums(0);
}

TEST_CASE_TEMPLATE("hooks, invalidate: an asynchronous hook that is under way ends as any other [C21, C22, C24]", Pool,
    later::later_idle, later::later_open, later::later_shards) {
    later::held_hooks begun;
    fixture<Pool> f{{.keep_alive_every = 10s}};
    f.dials.prepare([&](far_end& far) { far.on_async_reset = far.on_async_keep_alive = begun.later(); });
    std::uint64_t look_ups = 0;
    SUBCASE("a reset") {
        f.acquire().give_back();
        f.conns->invalidate();
        look_ups = 1;
    }
    SUBCASE("a keep-alive") {
        f.put("a");
        f.clock.advance(10s);
        f.conns->upkeep();
        f.conns->invalidate("a");
    }
    CHECK(f.stats().lent == 1);
    REQUIRE(begun.running() == 1);
    begun.take()(true);
    CHECK(f.dials.closed() == ids{1});
    CHECK(f.stats().invalidated == 1);
    f.check_sums(look_ups);
}

TEST_CASE_TEMPLATE(
    "hooks, invalidate: a connection that was kept alive since is closed with those that are older [C22, C24]", Pool,
    idle_pool, open_pool, shards) {
    fixture<Pool> f{{.keep_alive_every = 10s}};
    f.put("a");
    f.clock.advance(10s);
    f.put("a");
    f.conns->upkeep();  // the first one, which keeps its place
    CHECK(f.stats().kept_alive == 1);
    CHECK(f.conns->invalidate() == 2);
    CHECK(f.dials.closed() == ids{1, 2});
    f.check_sums(0);
}
