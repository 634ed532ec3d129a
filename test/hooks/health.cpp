// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <pool/error.hpp>

#include <support/tended_pool.hpp>

// An idle connection is asked for its health before it is lent.

using namespace tended;

TEST_CASE_TEMPLATE("health: a connection that passes is lent; it counts as lent meanwhile, and as a hit then [C20]",
    Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f;
    f.put("a");
    int checks = 0;
    f.far(1).on_check = [&] {
        ++checks;
        const pool::stats s = f.stats();
        CHECK(s.lent == 1);
        CHECK(s.checking == 1);
        CHECK(s.idle == 0);
        CHECK(s.hits == static_cast<std::uint64_t>(checks - 1));
        CHECK(s.puts == figures::accounted_puts(s));
        return true;
    };
    const auto check_one = [&](auto& lent) {
        CHECK(lent->id() == 1);
        CHECK(lent.reused());
        CHECK(f.stats().checking == 0);
    };
    {
        auto lent = f.acquire();
        check_one(lent);
    }
    {
        auto lent = f.conns->try_acquire("a");
        check_one(lent);
    }
    CHECK(f.conns->get("a", f.dial()).invoke([](tended_connection& c) { return c.id(); }) == 1);
    CHECK(checks == 3);
    auto taken = f.conns->take("a");
    CHECK(taken->id() == 1);
    taken->close();
    CHECK(checks == 4);
    CHECK(f.stats().hits == 4);
    CHECK(f.stats().keys == 0);
    f.check_sums(4);
}

TEST_CASE_TEMPLATE(
    "health: it is asked after check_after, not a tick earlier [C20]", Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f{{.check_after = 10s}};
    int checks = 0;
    f.dials.prepare([&](far_end& far) { far.on_check = [&] { return ++checks > 0; }; });
    {
        auto dialled = f.acquire();
        CHECK(checks == 0);
        f.clock.advance(20s);  // the time for which it is lent does not count
    }
    (void)f.acquire();
    f.clock.advance(10s - tick);
    (void)f.acquire();
    CHECK(checks == 0);
    f.clock.advance(10s);
    (void)f.acquire();
    CHECK(checks == 1);
    (void)f.acquire();
    CHECK(checks == 1);
    CHECK(f.stats().hits == 4);
    f.check_sums(5);
}

TEST_CASE_TEMPLATE(
    "health: one that is not healthy is closed, and the next is tried [C20]", Pool, idle_pool, open_pool, shards) {
    for (const char* const how : {"false", "throws", "throws no std::exception", "dies", "its peer has gone"}) {
        INFO(how);
        fixture<Pool> f;
        f.put("a", 2);
        f.far(1).on_check = [&, what = std::string{how}]() -> bool {
            if (what == "throws") throw std::runtime_error{"broken"};
            if (what == "throws no std::exception") throw 1;
            if (what == "dies") f.far(1).dead = true;
            return what == "dies";
        };
        if (std::string{how} == "its peer has gone") f.far(1).on_check = [&] { return !(f.far(1).dead = true); };
        {
            auto lent = f.acquire();
            CHECK(lent->id() == 2);
            CHECK(lent.reused());
        }
        CHECK(f.stats().found_unhealthy == 1);
        CHECK(f.stats().hits == 1);
        f.conns->upkeep();
        CHECK(f.far(1).closes == 1);
        CHECK(f.stats().closing == 0);
        CHECK(f.dials.dials() == 2);
        f.check_sums(1);
    }
}

TEST_CASE_TEMPLATE("health: a caller checks two, and then dials, so all callers together drain the dead ones [C20]",
    Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f;
    f.dials.prepare([](far_end& far) { far.on_check = [] { return false; }; });
    f.put("a", 5);
    for (int id = 6; id < 8; ++id) {
        auto lent = f.acquire();
        CHECK(lent->id() == id);
        CHECK_FALSE(lent.reused());
        lent.discard();
    }
    CHECK(f.stats().found_unhealthy == 4);
    CHECK(f.stats().idle == 1);
    auto lent = f.acquire();  // the last one, and then there is none
    CHECK(lent->id() == 8);
    CHECK(f.stats().found_unhealthy == 5);
    CHECK(f.stats().misses == 3);
    f.check_sums(3);
}

TEST_CASE_TEMPLATE(
    "health: try_acquire and take check two, and then find nothing [C20]", Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f;
    f.put("a", 5);
    for (int id : {1, 2, 3, 4}) f.far(id).on_check = [] { return false; };
    CHECK_FALSE(f.conns->try_acquire("a"));
    CHECK(f.stats().found_unhealthy == 2);
    CHECK_FALSE(f.conns->take("a"));
    CHECK(f.stats().found_unhealthy == 4);
    CHECK(f.conns->try_acquire("a")->id() == 5);
    CHECK_FALSE(f.conns->try_acquire("b"));
    CHECK(f.stats().misses == 3);
    f.check_sums(4);
}

TEST_CASE_TEMPLATE("health: dead and expired ones are not asked", Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f{{}, {}, 10s};
    f.put("a", 2);
    f.clock.advance(5s);
    f.put("a", 2);
    f.clock.advance(5s);
    f.far(3).dead = true;
    auto lent = f.acquire();
    CHECK(lent->id() == 4);
    f.conns->upkeep();
    CHECK(f.history(1) == "dialled for a, closed");
    CHECK(f.history(3) == "dialled for a, closed, its peer has gone");
    CHECK(f.history(4) == "dialled for a, checked");
}

TEST_CASE_TEMPLATE("health: a check may use the pool", Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f;
    f.put("a", 2);
    int other = 0;
    f.far(1).on_check = [&] {
        other = f.acquire()->id();
        f.put("b");
        f.conns->upkeep();
        CHECK(f.conns->stats("a").lent == 1);
        f.conns->clear("b");
        return false;
    };
    CHECK(f.acquire()->id() == 2);
    CHECK(other == 2);
    f.check_sums(2);
}

TEST_CASE_TEMPLATE("health: a key that a check destroys is not used any more", Pool, idle_pool, open_pool, shards) {
    for (const int sick : {1, 2}) {
        fixture<Pool> f;
        const std::string name = "a name that is too long for the buffer in a string";
        f.put(name.c_str(), sick);
        auto key = std::make_unique<std::string>(name);
        for (int id = 1; id <= sick; ++id) {
            f.far(id).on_check = [&] {
                key.reset();
                return false;
            };
        }
        auto lent = f.conns->acquire(*key, f.dial());
        CHECK(lent->far().key == name);
        CHECK(lent.key() == name);
        CHECK_FALSE(lent.reused());
        key = std::make_unique<std::string>(name);
        lent.give_back();
        f.far(sick + 1).on_check = [&] { return key.reset(), false; };
        CHECK_FALSE(f.conns->try_acquire(*key));
    }
}

TEST_CASE_TEMPLATE("health: a dial after a failed check may destroy the key", Pool, idle_pool, open_pool) {
    fixture<Pool> f;
    f.put("a name that is too long for the buffer in a string");
    f.far(1).on_check = [] { return false; };
    auto key = std::make_unique<std::string>("a name that is too long for the buffer in a string");
    const auto dial = [&](const std::string& wanted) {
        key.reset();
        return f.dial()(wanted);
    };
    auto lent = f.conns->acquire(*key, dial);
    CHECK(lent->far().key == "a name that is too long for the buffer in a string");
}

TEST_CASE_TEMPLATE("health: a pool that is closed during a check lends what passes, and closes what does not [C11]",
    Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f;
    f.put("a", 2);
    f.dials.prepare([](far_end&) { FAIL("dialled"); });
    f.far(1).on_check = [&] {
        f.conns->close();
        CHECK(f.stats().lent == 1);
        return true;
    };
    {
        auto lent = f.acquire();
        CHECK(lent->id() == 1);
        CHECK(f.far(2).closes == 1);
    }
    CHECK(f.far(1).closes == 1);
    f.check_sums(1);
}

TEST_CASE_TEMPLATE("health: a caller whose check fails in a pool that was closed meanwhile is told so [C11]", Pool,
    idle_pool, open_pool, shards) {
    for (const bool acquires : {true, false}) {
        fixture<Pool> f;
        f.put("a", 3);
        f.far(1).on_check = [&] {
            f.conns->close();
            return false;
        };
        if (acquires) CHECK_THROWS_AS((void)f.acquire(), pool::pool_closed);
        else CHECK_FALSE(f.conns->try_acquire("a"));
        CHECK(f.dials.open() == 0);
        CHECK(f.stats().closing == 0);
        CHECK(f.stats().keys == 0);
        CHECK(f.stats().found_unhealthy == 1);
        f.check_sums(1);
    }
}

TEST_CASE_TEMPLATE("health: a check may end the pool", Pool, idle_pool, open_pool, shards) {
    for (const bool passes : {true, false}) {
        fixture<Pool> f;
        const auto ends = [&] {
            f.conns.reset();
            return passes;
        };
        const auto fill = [&](int first) {
            if (!f.conns)
                f.conns.emplace(capacity_of<Pool>{}, pool::after_idle{1'000s}, pool::pool_settings{}, f.clock);
            f.put("a", 2);
            f.far(first).on_check = ends;
        };
        fill(1);
        if (passes) {
            auto lent = f.acquire();
            CHECK(lent->id() == 1);
            CHECK(f.dials.open() == 1);
        } else {
            CHECK_THROWS_AS((void)f.acquire(), pool::pool_closed);
        }
        CHECK(f.dials.open() == 0);
        fill(3);
        CHECK(static_cast<bool>(f.conns->try_acquire("a")) == passes);
        CHECK(f.dials.open() == 0);
        fill(5);
        auto taken = f.conns->take("a");
        CHECK(taken.has_value() == passes);
        if (taken) taken->close();
        CHECK(f.dials.open() == 0);
        fill(7);
        if (passes) CHECK(f.conns->get("a", f.dial()).invoke([](auto& c) { return c.id(); }) == 7);
        CHECK(f.dials.open() == (passes ? 0 : 2));
    }
}

TEST_CASE_TEMPLATE(
    "health: upkeep drops the connections that are dead by their own word", Pool, idle_pool, open_pool, shards) {
    fixture<Pool> f;
    f.put("a", 3);
    f.put("b");
    for (int id : {1, 3, 4}) f.far(id).dead = true;
    CHECK(f.conns->upkeep() == 0);
    for (int id : {1, 3, 4}) CHECK(f.far(id).closes == 1);
    CHECK(f.far(2).closes == 0);
    CHECK(f.stats().found_closed == 3);
    CHECK(f.stats().idle == 1);
    CHECK(f.history(2) == "dialled for a");
    f.check_sums(0);
}

TEST_CASE("health: a fake dialer opens connections with hooks, too") {
    fixture<idle_pool> f;
    (void)f.conns->acquire("a", f.dials);
    CHECK(f.conns->acquire("a", f.dials).reused());
    CHECK(f.history(1) == "dialled for a, reset, checked, reset");
}

TEST_CASE("health: a pointer asks the connection that it points to") {
    pool::testing::fake_dialer dials;
    using pointer = std::unique_ptr<tended_connection>;
    pool::basic_pool<std::string, pointer> conns;
    const auto dial = [&](const std::string& key) { return std::make_unique<tended_connection>(dials(key)); };
    { auto lent = conns.acquire("a", dial); }
    CHECK(dials[1].history() == "dialled for a, reset");
    dials[1].on_check = [] { return false; };
    CHECK_FALSE(conns.try_acquire("a"));
    CHECK(dials[1].history() == "dialled for a, reset, checked");
}
