// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <pool/error.hpp>

#include <support/tended_pool.hpp>

// A lent connection is reset when it is given back.

using namespace tended;

TEST_CASE_TEMPLATE(
    "reset: a connection is reset when it is given back, as a lent one [C21]", Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f;
    int resets = 0;
    f.dials.prepare([&](far_end& far) {
        far.on_reset = [&] {
            ++resets;
            CHECK(f.stats().lent == 1);
            CHECK(f.stats().idle == 0);
        };
    });
    f.acquire().give_back();
    CHECK(resets == 1);
    { auto lent = f.acquire(); }
    CHECK(resets == 2);
    f.conns->get("a", f.dial()).invoke([](tended_connection& c) { c.use(); });
    CHECK(resets == 3);
    f.conns->try_acquire("a").give_back();
    CHECK(f.history(1) == "dialled for a, reset, checked, reset, checked, used, reset, checked, reset");
    CHECK(f.stats().idle == 1);
    f.check_sums(4);
}

TEST_CASE_TEMPLATE("reset: a connection whose reset throws is closed [C21]", Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f;
    f.dials.prepare([](far_end& far) {
        far.on_reset = [&far] {
            if (far.id % 2 != 0) throw std::runtime_error{"in the middle of a reply"};
            throw 1;
        };
    });
    for (const int id : {1, 2}) {
        CHECK(f.acquire()->id() == id);
        CHECK(f.far(id).closes == 1);
    }
    CHECK(f.stats().failed_resets == 2);
    CHECK(f.stats().discarded == 0);
    CHECK(f.stats().puts == 0);
    CHECK(f.stats().keys == 0);
    f.check_sums(2);
}

TEST_CASE_TEMPLATE(
    "reset: one that would be thrown away anyway is not reset [C21]", Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f;
    f.dials.prepare([](far_end& far) { far.on_reset = [] { FAIL("reset"); }; });
    f.acquire().discard();
    {
        auto lent = f.acquire();
        lent.discard_unless_kept();
    }
    try {
        auto lent = f.acquire();
        throw 1;
    } catch (int) {
    }
    auto detached = f.acquire().detach();
    detached.close();
    auto dead = f.acquire();
    f.far(dead->id()).dead = true;
    dead.give_back();
    CHECK(f.stats().refused == 1);
    auto late = f.acquire();
    f.conns->close();
    late.give_back();
    CHECK(f.stats().refused == 2);
    CHECK(f.dials.open() == 0);
    f.check_sums(6);
}

TEST_CASE_TEMPLATE("reset: one for which there is no room is not reset [C21]", Pool, idle_pool, open_pool) {
    for (const capacity_of<Pool> bounds :
        {capacity_of<Pool>{.max_idle = 0}, capacity_of<Pool>{.max_idle_per_key = 0}}) {
        fixture<Pool> f{{}, bounds};
        (void)f.acquire();
        CHECK(f.history(1) == "dialled for a, closed");
    }
    fixture<Pool> f{{}, {}, 0s};
    (void)f.acquire();
    CHECK(f.history(1) == "dialled for a, closed");
    CHECK(f.stats().expired == 1);
}

TEST_CASE_TEMPLATE(
    "reset: one that is too heavy to be kept is not reset [C21]", Bounds, pool::bounded, pool::bounded_open) {
    pool::testing::fake_dialer dials;
    pool_of<pool::weighed<Bounds>> conns{{{}, 10}, 1'000s};
    const auto come_back = [&](std::size_t weight) {
        auto lent = conns.acquire("a", [&](const std::string& key) { return tended_connection{dials(key)}; });
        lent->far().weight = weight;
    };
    come_back(10);
    CHECK(dials[1].history() == "dialled for a, reset");
    come_back(11);
    CHECK(dials[1].history() == "dialled for a, reset, checked, closed");
    CHECK(conns.stats().refused == 1);
    CHECK(conns.stats().puts == 2);
    figures::check_exact(conns.stats(), 2);
}

TEST_CASE_TEMPLATE(
    "reset: a blocked connection cannot be reset, and is closed [C21]", Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f;
    auto lent = f.acquire();
    f.far(1).blocked = true;
    lent.give_back();
    CHECK(f.history(1) == "dialled for a, closed, it is blocked");
    CHECK(f.stats().failed_resets == 1);
    f.check_sums(1);
}

TEST_CASE_TEMPLATE(
    "reset: a reusable one is reset after a failure, too [C14, C21]", Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f;
    f.dials.prepare([](far_end& far) { far.reusable = true; });
    try {
        auto lent = f.acquire();
        throw 1;
    } catch (int) {
    }
    CHECK(f.history(1) == "dialled for a, reset");
    {
        auto lent = f.acquire();
        lent.discard_unless_kept();
    }
    CHECK(f.history(1) == "dialled for a, reset, checked, reset");
    CHECK(f.stats().idle == 1);
}

TEST_CASE_TEMPLATE("reset: one that dies in its reset is not kept", Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f;
    f.dials.prepare([](far_end& far) { far.on_reset = [&far] { far.dead = true; }; });
    (void)f.acquire();
    CHECK(f.far(1).closes == 1);
    CHECK(f.stats().refused == 1);
    f.check_sums(1);
}

TEST_CASE_TEMPLATE("reset: what is put or taken is the caller's to reset", Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f{{.check_after = 1s}};
    f.put("a");
    auto taken = f.conns->take("a");
    CHECK(f.history(1) == "dialled for a");
    taken->close();
}

TEST_CASE_TEMPLATE("reset: a reset may use the pool, close it, or end it", Pool, idle_pool, open_pool, shards) {
    for (const int what : {1, 2, 3, 4, 5}) {
        fixture<Pool> f;
        f.dials.prepare([&](far_end& far) {
            if (far.id != 1) return;
            far.on_reset = [&] {
                switch (what) {
                case 1:
                    f.acquire("a").discard();
                    break;
                case 2:
                    f.conns->close();
                    break;
                case 3:
                    f.conns.reset();
                    break;
                case 4:
                    f.conns->close();
                    throw 1;
                default:
                    f.conns.reset();
                    throw 1;
                }
            };
        });
        f.acquire().give_back();
        CHECK(f.dials.open() == (what == 1));
        CHECK(f.far(1).closes == (what != 1));
        if (!f.conns) continue;
        CHECK(f.stats().refused == (what == 2));
        CHECK(f.stats().failed_resets == (what == 4));
        f.check_sums(what == 1 ? 2 : 1);
    }
}

TEST_CASE("reset: bounds that are lowered during a reset hold") {
    fixture<open_pool> f{{}, {.max_open = 2}};
    auto other = f.acquire();
    auto lent = f.acquire();
    f.far(2).on_reset = [&] { f.conns->reconfigure({.max_open = 1}); };
    lent.give_back();
    CHECK(f.far(2).closes == 1);
    CHECK(f.stats().refused == 1);
    other.give_back();
    CHECK(f.stats().idle == 1);
}
