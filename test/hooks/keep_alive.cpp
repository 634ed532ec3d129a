// SPDX-License-Identifier: BSL-1.0
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/testing/actions.hpp>
#include <pool/testing/gate.hpp>

#include <support/tended_pool.hpp>

// Idle connections are kept alive by `upkeep`.

using namespace tended;
using time_point = pool::manual_clock::time_point;

namespace {

const pool::pool_settings every_10s{.keep_alive_every = 10s};

/// Lends all connections of a key. Returns their numbers, in order.
template <class Fixture>
ids order_of(Fixture& f, const char* key = "a") {
    ids all;
    std::vector<typename Fixture::lease> lent;
    while (auto next = f.conns->try_acquire(key)) {
        all.push_back(next->id());
        lent.push_back(std::move(next));
    }
    return all;
}

}  // namespace

TEST_CASE_TEMPLATE(
    "keep alive: an idle connection is kept alive in time, as a lent one [C22]", Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f{every_10s};
    f.put("a");
    int calls = 0;
    f.far(1).on_keep_alive = [&] {
        ++calls;
        CHECK(f.stats().lent == 1);
        CHECK(f.stats().checking == 1);
        CHECK(f.stats().idle == 0);
        CHECK(f.stats().puts == figures::accounted_puts(f.stats()));
    };
    f.conns->upkeep();
    f.clock.advance(10s - tick);
    f.conns->upkeep();
    CHECK(calls == 0);
    f.clock.advance(tick);
    f.conns->upkeep();
    CHECK(calls == 1);
    f.conns->upkeep();
    CHECK(calls == 1);
    f.clock.advance(4s);
    (void)f.acquire();  // its peer has heard of it
    f.clock.advance(9s);
    f.conns->upkeep();
    CHECK(calls == 1);
    f.clock.advance(1s);
    f.conns->upkeep();
    CHECK(calls == 2);
    CHECK(f.stats().kept_alive == 2);
    CHECK(f.stats().idle == 1);
    f.check_sums(1);
}

TEST_CASE_TEMPLATE("keep alive: without the setting it is never called", Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f;
    f.put("a");
    f.clock.advance(999s);
    f.conns->upkeep();
    CHECK(f.history(1) == "dialled for a");
}

TEST_CASE_TEMPLATE(
    "keep alive: a connection keeps its place, in both orders [C22]", Pool, idle_pool, open_pool, shards) {
    for (const auto reuse : {pool::reuse_order::oldest_first, pool::reuse_order::newest_first}) {
        for (const int heard_of : {1, 2, 3, 4}) {  // all others are kept alive
            fixture<Pool> f{{.reuse = reuse, .check_after = 500s, .keep_alive_every = 10s}};
            f.put("a", 4);
            f.clock.advance(5s);
            f.far(heard_of).blocked = true;
            f.conns->upkeep();
            f.clock.advance(5s);
            f.conns->upkeep();
            f.far(heard_of).blocked = false;
            CHECK(f.stats().kept_alive == 3);
            const ids right = reuse == pool::reuse_order::oldest_first ? ids{1, 2, 3, 4} : ids{4, 3, 2, 1};
            CHECK(order_of(f) == right);
        }
    }
}

TEST_CASE_TEMPLATE("keep alive: the oldest of all keys is still evicted first [C3, C22]", Pool, idle_pool, open_pool) {
    fixture<Pool> f{every_10s, {.max_idle = 3}};
    f.put("a");
    f.put("b");
    f.put("c");
    f.clock.advance(10s);
    f.far(2).on_keep_alive = [&] { CHECK(f.conns->stats("b").lent == 1); };
    f.conns->upkeep();
    CHECK(f.stats().kept_alive == 3);
    f.put("d");
    f.put("e");
    CHECK(f.dials.closed() == ids{1, 2});
}

TEST_CASE_TEMPLATE(
    "keep alive: it does not change the idle age, or the expiry [C7, C22]", Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f{{.check_after = 25s, .keep_alive_every = 10s}, {}, 30s};
    f.put("a", 2);
    f.put("b");
    for (int i = 0; i < 2; ++i) {
        f.clock.advance(10s);
        f.conns->upkeep();
    }
    CHECK(f.stats().kept_alive == 6);
    CHECK(f.conns->next_expiry() == time_point{30s});
    f.clock.advance(5s - tick);
    f.conns->try_acquire("b").give_back();
    CHECK(f.history(3) == "dialled for b, kept alive 2 times, reset");  // it was too young for a check
    f.clock.advance(tick);
    auto lent = f.acquire();
    CHECK(f.history(1) == "dialled for a, kept alive 2 times, checked");
    f.clock.advance(5s - tick);
    CHECK(f.conns->expire() == 0);
    f.clock.advance(tick);
    CHECK(f.conns->expire() == 1);
    CHECK(f.far(2).closes == 1);
    CHECK(f.stats().expired == 1);
}

TEST_CASE_TEMPLATE("keep alive: a sweep over what expires may come meanwhile [C7, C22]", Pool, idle_pool, open_pool) {
    fixture<Pool> f{every_10s, {}, 30s};
    f.put("a", 2);
    f.clock.advance(10s);
    f.far(1).on_keep_alive = [&] {
        f.clock.advance(15s);
        CHECK(f.conns->expire() == 0);
        CHECK(f.conns->next_expiry() == time_point{30s});
        f.conns->clear();
        CHECK(f.conns->next_expiry() == time_point{30s});  // of this one, if it comes back
    };
    f.conns->upkeep();
    f.clock.advance(5s);
    CHECK(f.conns->expire() == 1);
    CHECK(f.far(1).closes == 1);
    CHECK(f.stats().expired == 1);
}

TEST_CASE_TEMPLATE("keep alive: one that has expired meanwhile is closed [C7, C22]", Pool, idle_pool, open_pool) {
    fixture<Pool> f{every_10s, {}, 30s};
    f.put("a");
    f.clock.advance(10s);
    f.far(1).on_keep_alive = [&] {
        f.clock.advance(20s);
        CHECK(f.conns->next_expiry() == time_point{60s});  // it will not be idle
    };
    f.conns->upkeep();
    CHECK(f.far(1).closes == 1);
    CHECK(f.stats().expired == 1);
    CHECK(f.stats().kept_alive == 1);
    CHECK_FALSE(f.conns->try_acquire("a"));
    CHECK(f.stats().expired == 1);
    f.check_sums(1);
}

TEST_CASE_TEMPLATE("keep alive: one that fails is closed [C22]", Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f{every_10s};
    f.put("a", 3);
    f.far(1).on_keep_alive = [] { throw 1; };
    f.far(2).on_keep_alive = [&] {
        f.far(2).dead = true;
        throw std::runtime_error{"gone"};
    };
    f.clock.advance(10s);
    f.conns->upkeep();
    CHECK(f.dials.closed() == ids{1, 2});
    CHECK(f.stats().failed_keep_alives == 2);
    CHECK(f.stats().kept_alive == 1);
    CHECK(f.stats().idle == 1);
    f.check_sums(0);
}

TEST_CASE_TEMPLATE(
    "keep alive: lent, blocked, dead and expired ones are passed over", Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f{{.check_after = 500s, .keep_alive_every = 10s}, {}, 10s};
    f.put("a", 4);
    f.clock.advance(1s);
    auto lent = f.acquire();
    f.far(2).blocked = true;
    f.far(3).dead = true;
    f.clock.advance(8s);
    f.conns->upkeep();
    f.clock.advance(2s);  // those that are left have expired
    f.conns->upkeep();
    CHECK(f.stats().kept_alive == 0);
    CHECK(f.stats().idle == 0);
    f.check_sums(1);
}

TEST_CASE_TEMPLATE("keep alive: next_upkeep says when it is due", Pool, idle_pool, shards) {
    fixture<Pool> f{every_10s};
    f.put("a");
    f.clock.advance(3s);
    f.put("b");
    f.conns->upkeep();
    CHECK(f.conns->next_upkeep() == time_point{10s});
    f.clock.advance(7s);
    f.conns->upkeep();
    CHECK(f.stats().kept_alive == 1);
    CHECK(f.conns->next_upkeep() == time_point{13s});
    f.clock.advance(3s);
    f.conns->upkeep();
    CHECK(f.conns->next_upkeep() == time_point{20s});
    f.conns->clear();
    f.conns->upkeep();
    CHECK(f.conns->next_upkeep() == time_point{23s});  // for one that comes back now
    f.conns->close();
    CHECK(f.conns->next_upkeep() == time_point::max());
}

TEST_CASE_TEMPLATE(
    "keep alive: meanwhile the connection is not lent, and then it is given to who waits", Pool, idle_pool, open_pool) {
    fixture<Pool> f{every_10s, {.max_idle = 2}};
    f.put("a");
    f.clock.advance(10s);
    f.far(1).on_keep_alive = [&] {
        CHECK_FALSE(f.conns->try_acquire("a"));
        CHECK(f.acquire()->id() == 2);
        f.put("b");
    };
    f.conns->upkeep();
    CHECK(f.stats().idle == 2);
    CHECK(f.dials.closed() == ids{1});  // there is no room any more, and it is the oldest
    CHECK(f.stats().evicted == 1);
    f.check_sums(2);
}

TEST_CASE("keep alive: a caller that waits for the connection gets it when it is back") {
    fixture<open_pool> f{every_10s, {.max_open = 1, .patience = 0ns}};
    f.put("a");
    f.clock.advance(10s);
    std::optional<std::thread> waits;
    int got = 0;
    f.far(1).on_keep_alive = [&] {
        waits.emplace([&] { got = f.acquire()->id(); });
        while (f.stats().waiting == 0) std::this_thread::yield();
    };
    f.conns->upkeep();
    waits->join();
    CHECK(got == 1);
    f.check_sums(1);

    f.clock.advance(10s);
    f.far(1).on_keep_alive = [&] {
        waits.emplace([&] { got = f.acquire()->id(); });
        while (f.stats().waiting == 0) std::this_thread::yield();
        throw 1;
    };
    f.conns->upkeep();
    waits->join();
    CHECK(got == 2);
    CHECK(f.far(1).closes == 1);
    f.check_sums(2);
}

TEST_CASE_TEMPLATE(
    "keep alive: it may use the pool, close it, change its bounds, or end it", Pool, idle_pool, open_pool) {
    for (const int what : {1, 2, 3, 4, 5, 6}) {
        fixture<Pool> f{every_10s};
        f.put("a", 3);
        f.clock.advance(10s);
        f.far(1).on_keep_alive = [&] {
            switch (what) {
            case 1:
                f.conns->clear();
                break;
            case 2:
                f.conns->close();
                break;
            case 3:
                f.conns.reset();
                break;
            case 4:
                f.conns->reconfigure({.max_idle = 0});
                break;
            case 5:
                f.conns->upkeep();
                break;
            default:
                f.conns.reset();
                throw 1;
            }
        };
        f.conns->upkeep();
        CHECK(f.far(1).closes == (what != 1 && what != 5));
        CHECK(f.far(2).closes == (what != 5));
        if (!f.conns) continue;
        CHECK(f.stats().cleared == (what == 1 ? 2 : what == 2 ? 3 : 0));
        CHECK(f.stats().evicted == (what == 4 ? 3 : 0));
        CHECK(f.stats().kept_alive == (what == 1 || what == 4 ? 1 : what == 5 ? 3 : 0));
        CHECK(f.stats().closing == 0);
        f.check_sums(0);
        f.conns.reset();
        CHECK(f.dials.open() == 0);
    }
}

TEST_CASE_TEMPLATE("keep alive: two threads share the work, and what is due next", Pool, idle_pool, open_pool) {
    fixture<Pool> f{every_10s};
    f.put("a", 2);
    f.clock.advance(2s);
    f.put("b");
    f.clock.advance(8s);
    pool::testing::gate open;
    f.far(1).on_keep_alive = pool::testing::hangs(open);
    std::thread other{[&] { f.conns->upkeep(); }};
    while (f.stats().checking == 0) std::this_thread::yield();
    f.conns->upkeep();
    CHECK(f.stats().kept_alive == 1);  // of connection 2
    CHECK(f.conns->next_upkeep() <= time_point{12s});
    open.open();
    other.join();
    CHECK(f.stats().kept_alive == 2);
    CHECK(f.conns->next_upkeep() <= time_point{12s});
    CHECK(f.history(2) == "dialled for a, kept alive");
    CHECK(f.history(3) == "dialled for b");
    CHECK(order_of(f) == ids{1, 2});
}

TEST_CASE_TEMPLATE("keep alive: many connections, in batches", Pool, idle_pool, open_pool) {
    constexpr std::size_t many = 300;
    fixture<Pool> f{every_10s, {.max_idle = many, .max_idle_per_key = many}};
    if constexpr (Pool::bounds_open)
        f.conns->reconfigure({.max_open = many, .max_open_per_key = many, .max_idle = many, .max_idle_per_key = many});
    f.put("a", many);
    f.clock.advance(5s);
    for (int id = 1; id <= 150; ++id) f.far(id).blocked = true;
    f.conns->upkeep();
    f.clock.advance(5s);
    f.conns->upkeep();
    CHECK(f.stats().kept_alive == 150);
    for (int id = 1; id <= 150; ++id) f.far(id).blocked = false;
    f.conns->upkeep();
    CHECK(f.stats().kept_alive == many);
    f.check_sums(0);
}
