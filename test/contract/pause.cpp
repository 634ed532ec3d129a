// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/error.hpp>
#include <pool/stats.hpp>

#include <support/fake.hpp>
#include <support/sharded.hpp>
#include <support/tended_pool.hpp>

// C26 A paused pool lends nothing, dials nothing, and keeps nothing up. Callers that wait are in pause_waiting.cpp.

using namespace std::chrono_literals;

using fake::ids;
using tended::idle_pool;
using tended::open_pool;
using tended::shards;
using tended::tended_connection;

#define EACH_KIND(name) TEST_CASE_TEMPLATE(name, Pool, idle_pool, open_pool, shards)

// A paused pool refuses these.

EACH_KIND("contract: a paused pool lends nothing, and dials nothing [C26]") {
    tended::fixture<Pool> f;
    f.put("a");
    CHECK_FALSE(f.conns->is_paused());
    f.conns->pause();
    CHECK(f.conns->is_paused());
    for (const char* key : {"a", "b"}) {
        CHECK_THROWS_AS((void)f.acquire(key), pool::pool_paused);
        CHECK_THROWS_AS((void)f.conns->acquire_fresh(key, f.dial()), pool::pool_paused);
        CHECK_FALSE(f.conns->try_acquire(key));
        CHECK_FALSE(f.conns->take(key).has_value());
        auto peer = f.conns->get(key, f.dial());
        CHECK_THROWS_AS(peer.invoke(&tended_connection::id), pool::pool_paused);
        CHECK_THROWS_AS((void)peer.open_stream([](tended_connection& c) {
            return fake::stream{c, 1};
        }),
            pool::pool_paused);
    }
    CHECK(f.dials.dials() == 1);
    CHECK(f.history(1) == "dialled for a");
    CHECK(f.stats() == pool::stats{.misses = 12, .puts = 1, .idle = 1, .keys = 1});

    f.conns->resume();
    CHECK_FALSE(f.conns->is_paused());
    CHECK(f.acquire("a")->id() == 1);
    CHECK(f.acquire("b")->id() == 2);
    f.check_sums(14);
}

EACH_KIND("contract: the error of a paused pool names it, the key, and what it holds [C26]") {
    tended::fixture<Pool> f{{.name = "peers"}};
    f.put("a");
    const auto lent = f.acquire("a");
    f.conns->pause();
    const std::string figures = Pool::bounds_open ? "1 open, 0 idle, 1 lent, 0 dialling, 1 waiting"
                                                  : "1 open, 0 idle, 1 lent, 0 dialling, 0 waiting";
    try {
        (void)f.acquire("a");
        FAIL("it lends");
    } catch (const pool::error& refused) {
        CHECK(refused.what() == "pool \"peers\": no connection for key \"a\": the pool is paused (" + figures + ")");
    }
}

EACH_KIND("contract: a pool with a dial of its own does not call it while it is paused [C26]") {
    pool::testing::fake_dialer dials;
    const auto dial = [dials](const std::string& key) mutable { return tended_connection{dials(key)}; };
    Pool conns{tended::capacity_of<Pool>{}, pool::after_idle{1s}, pool::pool_settings{}, dial};
    conns.pause();
    CHECK_THROWS_AS((void)conns.acquire("a"), pool::pool_paused);
    CHECK_THROWS_AS((void)conns.acquire_fresh("a"), pool::pool_paused);
    CHECK_THROWS_AS(conns.invoke("a", &tended_connection::id), pool::pool_paused);
    CHECK_THROWS_AS(conns.get("a").invoke(&tended_connection::id), pool::pool_paused);
    CHECK(conns.prewarm("a", 1).opened == 0);
    CHECK(dials.attempts() == 0);
    conns.resume();
    CHECK(conns.invoke("a", &tended_connection::id) == 1);
}

EACH_KIND("contract: a second pause changes nothing, and one resume ends both [C26]") {
    tended::fixture<Pool> f;
    f.conns->pause();
    f.conns->pause();
    CHECK_THROWS_AS((void)f.acquire(), pool::pool_paused);
    f.conns->resume();
    CHECK(f.acquire()->id() == 1);
}

EACH_KIND("contract: resume without a pause does nothing [C26]") {
    tended::fixture<Pool> f;
    f.conns->resume();
    CHECK_FALSE(f.conns->is_paused());
    CHECK(f.acquire()->id() == 1);
    f.conns->pause();
    CHECK(f.conns->is_paused());
}

TEST_CASE("contract: all shards are paused, and resumed [C26]") {
    sharded::fixture f;
    f.put_one_of_each();
    f.conns.pause();
    for (const int key : f.keys) {
        CHECK_THROWS_AS((void)f.conns.acquire(key, f.net.dialer()), pool::pool_paused);
        CHECK_FALSE(f.conns.try_acquire(key));
    }
    f.conns.resume();
    int id = 0;
    for (const int key : f.keys) CHECK(f.conns.acquire(key, f.net.dialer())->id() == ++id);
}

// These go on.

EACH_KIND("contract: what is lent at a pause may be used, and comes back [C26]") {
    tended::fixture<Pool> f;
    auto kept = f.acquire();
    auto discarded = f.acquire();
    auto detached = f.acquire();
    auto taken = f.conns->take("a");
    CHECK_FALSE(taken.has_value());
    f.conns->pause();
    kept->use();
    kept.give_back();
    CHECK(f.history(1) == "dialled for a, used, reset");
    discarded.discard();
    CHECK(f.dials.closed() == ids{2});
    f.conns->put("a", detached.detach());
    CHECK(f.stats().idle == 2);
    CHECK(f.stats().lent == 0);
    f.conns->resume();
    CHECK(f.acquire()->id() == 1);
}

TEST_CASE_TEMPLATE(
    "contract: the bounds on what is idle hold in a paused pool [C2, C3, C26]", Pool, idle_pool, open_pool) {
    tended::fixture<Pool> f{{}, {.max_idle = 3, .max_idle_per_key = 2}};
    auto first = f.acquire("a");
    auto second = f.acquire("b");
    f.conns->pause();
    f.put("a", 3);
    CHECK(f.dials.closed() == ids{3});
    f.put("b");
    second.give_back();
    CHECK(f.dials.closed() == ids{4});
    first.give_back();
    CHECK(f.dials.closed() == ids{5});
    CHECK(f.stats().idle == 3);
    CHECK(f.stats().evicted == 3);
    f.check_sums(2);
}

EACH_KIND("contract: expiry goes on in a paused pool, and so do the closes of dead connections [C7, C26]") {
    tended::fixture<Pool> f{{}, {}, 10s};
    f.put("a", 2);
    f.clock.advance(5s);
    f.put("a", 2);
    f.far(3).dead = true;
    f.conns->pause();
    CHECK(f.conns->next_expiry() == f.clock.now() + 5s);
    f.clock.advance(5s);
    CHECK(f.conns->next_upkeep() <= f.clock.now());
    CHECK(f.conns->upkeep() == 2);
    CHECK(f.dials.closed() == ids{1, 2, 3});
    f.clock.advance(5s);
    CHECK(f.conns->expire() == 1);
    CHECK(f.stats().idle == 0);
    f.check_sums(0);
}

EACH_KIND("contract: clear works in a paused pool [C26]") {
    tended::fixture<Pool> f;
    f.put("a", 2);
    f.put("b");
    f.conns->pause();
    CHECK(f.conns->clear("a") == 2);
    CHECK(f.conns->clear() == 1);
    CHECK(f.dials.closed() == ids{1, 2, 3});
    CHECK(f.conns->is_paused());
}

EACH_KIND("contract: new policies take effect in a paused pool [C26]") {
    tended::fixture<Pool> f;
    f.put("a", 3);
    f.conns->pause();
    CHECK(f.conns->reconfigure({.max_idle_per_key = 1}) == 2);
    CHECK(f.dials.closed() == ids{1, 2});
    f.clock.advance(5s);
    f.conns->reconfigure(pool::after_idle{1s});
    CHECK(f.stats().idle == 1);  // as if it had come back now
    f.clock.advance(1s);
    CHECK(f.conns->expire() == 1);
    CHECK(f.conns->is_paused());
    CHECK_THROWS_AS((void)f.acquire(), pool::pool_paused);
}

EACH_KIND("contract: a paused pool can be closed, and resume does not open it again [C11, C26]") {
    tended::fixture<Pool> f;
    f.put("a");
    auto lent = f.acquire("b");
    f.conns->pause();
    CHECK(f.conns->close().empty());
    CHECK(f.dials.closed() == ids{1});
    CHECK_FALSE(f.conns->is_paused());
    CHECK_THROWS_AS((void)f.acquire(), pool::pool_closed);
    f.conns->resume();
    CHECK_THROWS_AS((void)f.acquire(), pool::pool_closed);
    CHECK_FALSE(f.conns->try_acquire("a"));
    lent.give_back();
    CHECK(f.dials.closed() == ids{2});
}

EACH_KIND("contract: a closed pool cannot be paused [C11, C26]") {
    tended::fixture<Pool> f;
    f.conns->close();
    f.conns->pause();
    CHECK_FALSE(f.conns->is_paused());
    CHECK_THROWS_AS((void)f.acquire(), pool::pool_closed);
    f.conns->resume();
    CHECK_THROWS_AS((void)f.acquire(), pool::pool_closed);
    CHECK(f.conns->next_upkeep() == pool::manual_clock::time_point::max());
}

EACH_KIND("contract: a paused pool may be destroyed, and leases outlive it [C26]") {
    tended::fixture<Pool> f;
    f.put("a");
    auto lent = f.acquire("b");
    f.conns->pause();
    f.conns.reset();
    CHECK(f.dials.closed() == ids{1});
    lent.give_back();
    CHECK(f.dials.closed() == ids{2});
}

// These do not: connections that are opened ahead, and keep-alives.

EACH_KIND("contract: a paused pool opens nothing ahead, and catches up after that [C26]") {
    tended::fixture<Pool> f;
    f.conns->min_idle("a", 2, f.dial());
    f.conns->pause();
    CHECK(f.conns->prewarm("b", 2, f.dial()).opened == 0);
    f.conns->upkeep();
    CHECK(f.dials.attempts() == 0);
    CHECK(f.conns->next_upkeep() > f.clock.now());
    CHECK(f.conns->next_upkeep() <= f.clock.now() + 1s);
    f.conns->resume();
    CHECK(f.conns->next_upkeep() <= f.clock.now() + 1s);
    f.conns->upkeep();
    CHECK(f.conns->stats("a").idle == 2);
    CHECK(f.conns->prewarm("b", 2, f.dial()).opened == 2);
}

EACH_KIND("contract: min_idle of a paused pool takes effect after that [C26]") {
    tended::fixture<Pool> f;
    f.conns->pause();
    f.conns->min_idle("a", 1, f.dial());
    f.conns->upkeep();
    CHECK(f.dials.attempts() == 0);
    f.conns->resume();
    f.conns->upkeep();
    CHECK(f.conns->stats("a").idle == 1);
}

EACH_KIND("contract: a pause during a dial ahead lets that end, and begins no other [C26]") {
    tended::fixture<Pool> f;
    f.dials.next([&](const auto&) { f.conns->pause(); });
    SUBCASE("prewarm") {
        CHECK(f.conns->prewarm("a", 3, f.dial()).opened == 1);
        CHECK(f.dials.attempts() == 1);
        CHECK(f.conns->stats("a").idle == 1);
    }
    SUBCASE("min_idle") {
        f.conns->min_idle("a", 2, f.dial());
        f.conns->min_idle("b", 1, f.dial());
        f.conns->upkeep();
        CHECK(f.dials.attempts() == 1);
        CHECK(f.stats().idle == 1);
        f.conns->resume();
        f.conns->upkeep();
        CHECK(f.conns->stats("a").idle == 2);
        CHECK(f.conns->stats("b").idle == 1);
    }
}

EACH_KIND("contract: a paused pool keeps nothing alive, and what is due then is due at its end [C22, C26]") {
    tended::fixture<Pool> f{{.check_after = 500s, .keep_alive_every = 10s}};
    f.put("a");
    f.clock.advance(3s);
    f.put("b");
    f.conns->upkeep();
    f.conns->pause();
    for (int i = 0; i < 20; ++i) {
        f.clock.advance(1s);
        CHECK(f.conns->next_upkeep() > f.clock.now());  // so a reaper sleeps
        CHECK(f.conns->next_upkeep() <= f.clock.now() + 1s);
        f.conns->upkeep();
    }
    CHECK(f.stats().kept_alive == 0);
    f.conns->resume();
    CHECK(f.conns->next_upkeep() <= f.clock.now());
    f.conns->upkeep();
    CHECK(f.stats().kept_alive == 2);
    CHECK(f.conns->next_upkeep() > f.clock.now());
}

EACH_KIND("contract: a pause between two keep-alives puts off the second one until its end [C22, C26]") {
    tended::fixture<Pool> f{{.check_after = 500s, .keep_alive_every = 10s}};
    f.put("a", 2);
    f.clock.advance(10s);
    f.far(1).on_keep_alive = [&] { f.conns->pause(); };
    f.conns->upkeep();
    CHECK(f.history(1) == "dialled for a, kept alive");
    CHECK(f.history(2) == "dialled for a");
    CHECK(f.stats().idle == 2);
    CHECK(f.conns->next_upkeep() > f.clock.now());
    f.conns->resume();
    CHECK(f.conns->next_upkeep() <= f.clock.now());
    f.conns->upkeep();
    CHECK(f.history(1) == "dialled for a, kept alive");
    CHECK(f.history(2) == "dialled for a, kept alive");
    f.check_sums(0);
}

EACH_KIND("contract: a keep-alive that fails in a pause closes its connection [C22, C26]") {
    tended::fixture<Pool> f{{.check_after = 500s, .keep_alive_every = 10s}};
    f.put("a", 2);
    f.clock.advance(10s);
    f.far(1).on_keep_alive = [&] {
        f.conns->pause();
        throw std::runtime_error{"no answer"};
    };
    f.conns->upkeep();
    CHECK(f.dials.closed() == ids{1});
    CHECK(f.stats().failed_keep_alives == 1);
    f.check_sums(0);
}

// These are under way at the pause.

EACH_KIND("contract: a dial that has begun goes on, and its caller gets the connection [C26]") {
    tended::fixture<Pool> f;
    f.dials.next([&](const auto&) {
        f.conns->pause();
        CHECK_THROWS_AS((void)f.acquire(), pool::pool_paused);
    });
    typename tended::fixture<Pool>::lease lent;
    SUBCASE("acquire") { lent = f.acquire(); }
    SUBCASE("acquire_fresh") { lent = f.conns->acquire_fresh("a", f.dial()); }
    CHECK(lent->id() == 1);
    lent.give_back();
    CHECK(f.stats().idle == 1);
    CHECK(f.dials.attempts() == 1);
    f.check_sums(2);
}

EACH_KIND("contract: a dial that fails in a pause throws what it has thrown [C26]") {
    tended::fixture<Pool> f;
    f.dials.next([&](const auto&) {
        f.conns->pause();
        throw std::runtime_error{"no answer"};
    });
    CHECK_THROWS_WITH_AS((void)f.acquire(), "no answer", std::runtime_error);
    CHECK(f.stats().failed_dials == 1);
    f.check_sums(1);
}

EACH_KIND("contract: a dial that a pause has met, and that returns a dead connection, has failed [C19, C26]") {
    tended::fixture<Pool> f;
    f.dials.prepare([&](pool::testing::far_end& far) {
        far.dead = true;
        f.conns->pause();
    });
    CHECK_THROWS_AS((void)f.acquire(), pool::dial_failed);
    CHECK(f.dials.closed() == ids{1});
}

EACH_KIND("contract: a connection whose check has begun is lent, if it is healthy [C20, C26]") {
    tended::fixture<Pool> f;
    f.put("a");
    f.far(1).on_check = [&] {
        f.conns->pause();
        return true;
    };
    SUBCASE("acquire") { CHECK(f.acquire()->id() == 1); }
    SUBCASE("try_acquire") { CHECK(f.conns->try_acquire("a")->id() == 1); }
    SUBCASE("take") { f.conns->put("a", *f.conns->take("a")); }
    CHECK(f.conns->is_paused());
    CHECK(f.stats().idle == 1);
    CHECK(f.stats().hits == 1);
    f.check_sums(1);
}

EACH_KIND("contract: a connection that is found unhealthy in a pause is closed, and its finder is refused [C20, C26]") {
    tended::fixture<Pool> f;
    f.put("a", 2);
    f.far(1).on_check = [&] {
        f.conns->pause();
        return false;
    };
    SUBCASE("acquire") { CHECK_THROWS_AS((void)f.acquire(), pool::pool_paused); }
    SUBCASE("try_acquire") { CHECK_FALSE(f.conns->try_acquire("a")); }
    SUBCASE("take") { CHECK_FALSE(f.conns->take("a").has_value()); }
    SUBCASE("a call") {
        CHECK_THROWS_AS(f.conns->get("a", f.dial()).invoke(&tended_connection::id), pool::pool_paused);
    }
    f.conns->upkeep();
    CHECK(f.dials.closed() == ids{1});
    CHECK(f.dials.attempts() == 2);
    CHECK(f.history(2) == "dialled for a");
    CHECK(f.stats().found_unhealthy == 1);
    CHECK(f.stats().misses == 1);
    f.check_sums(1);
}

EACH_KIND("contract: a connection that is reset during a pause becomes idle [C21, C26]") {
    tended::fixture<Pool> f;
    auto lent = f.acquire();
    f.far(1).on_reset = [&] { f.conns->pause(); };
    lent.give_back();
    CHECK(f.stats().idle == 1);
    CHECK_FALSE(f.conns->try_acquire("a"));
}

EACH_KIND("contract: a call may pause its pool, and resume it [C26]") {
    tended::fixture<Pool> f;
    auto peer = f.conns->get("a", f.dial());
    peer.invoke([&](tended_connection&) {
        f.conns->pause();
        CHECK_THROWS_AS(peer.invoke(&tended_connection::id), pool::pool_paused);
        f.conns->resume();
        CHECK(peer.invoke(&tended_connection::id) == 2);
    });
    f.far(1).on_close = [&] { f.conns->pause(); };
    f.conns->clear();
    CHECK(f.conns->is_paused());
    CHECK(f.dials.open() == 0);
}
