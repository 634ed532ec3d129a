// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <pool/pool.hpp>
#include <pool/testing/failure_point.hpp>

#include <support/observed_pool.hpp>

// What the observer of a pool is told of a connection.

namespace observed {

#define EACH_OBSERVED_POOL(name) TEST_CASE_TEMPLATE(name, Pool, idle_pool, open_pool)

EACH_OBSERVED_POOL("events: a connection is opened, lent, given back, lent again, retired and closed [C29]") {
    fixture<Pool> f;
    f.dials.each([&](const pool::dial_context&) { f.clock.advance(30ms); });
    CHECK(f.events_of([&] {
        auto lent = f.acquire();
        f.clock.advance(2s);
    }) == texts{"\"a\": connection 1 opened after 30 ms", "\"a\": connection 1 lent, fresh",
              "\"a\": connection 1 given back after 2 s"});
    f.clock.advance(1min);
    CHECK(f.events_of([&] {
        auto lent = f.acquire();
        f.clock.advance(5ms);
    }) == texts{"\"a\": connection 1 lent, reused", "\"a\": connection 1 given back after 5 ms"});
    f.dials[1].on_close = [&] { f.clock.advance(4ms); };
    CHECK(f.events_of([&] { f.conns->clear(); }) ==
          texts{"\"a\": connection 1 retired: cleared", "\"a\": connection 1 closed after 4 ms"});
}

EACH_OBSERVED_POOL("events: an event has all that is known of it") {
    fixture<Pool> f{{}, {}, {.name = "peers"}};
    int seen = 0;
    f.clock.advance(10s);
    f.then = [&](const event& e) {
        ++seen;
        CHECK(e.pool == "peers");
        CHECK(e.key.text() == "\"a\"");
        REQUIRE(e.key.template as<std::string>() != nullptr);
        CHECK(*e.key.template as<std::string>() == "a");
        CHECK(e.key.template as<int>() == nullptr);
        CHECK(e.connection == 1);
        if (e.kind == event_kind::lent) CHECK(e.at == 10s);
        if (e.kind == event_kind::given_back) CHECK(e.at == 11s);
        CHECK(e.error.empty());
        CHECK(!e.failed);
    };
    {
        auto lent = f.acquire();
        f.clock.advance(1s);
    }
    CHECK(seen == 3);
    f.then = nullptr;
}

EACH_OBSERVED_POOL("events: a dial that fails, or returns a dead connection, is told with its text") {
    fixture<Pool> f;
    f.dials.next([&](const pool::dial_context&) {
        f.clock.advance(1s);
        throw std::runtime_error{"no route"};
    });
    CHECK(f.events_of([&] { CHECK_THROWS((void)f.acquire()); }) ==
          texts{"\"a\": connection 1 dial failed after 1 s: no route"});
    f.dials.prepare([](pool::testing::far_end& far) { far.dead = true; });
    CHECK(f.events_of([&] { CHECK_THROWS((void)f.acquire()); }) ==
          texts{"\"a\": connection 2 dial failed: pool \"\": no connection for key \"a\": the dial has returned "
                "a dead one",
              "\"a\": connection 2 closed"});
}

EACH_OBSERVED_POOL("events: a close that fails is told with its text") {
    fixture<Pool> f;
    f.put();
    f.dials[1].on_close = [] { throw std::runtime_error{"no goodbye"}; };
    CHECK(f.events_of([&] { f.conns->clear(); }) ==
          texts{"\"a\": connection 1 retired: cleared", "\"a\": connection 1 closed, failed: no goodbye"});
    f.put();
    f.dials[2].on_close = [] { throw 7; };
    f.then = [](const event& e) {
        if (e.kind == event_kind::closed) CHECK(e.failed);
    };
    f.conns->clear();
    CHECK(f.told.back() == "\"a\": connection 2 closed, failed: an exception that is not a std::exception");
}

EACH_OBSERVED_POOL("events: what a caller keeps has left the pool, and is not closed by it") {
    fixture<Pool> f;
    f.put();
    CHECK(f.events_of([&] {
        auto taken = f.conns->take("a");
        taken->close();
    }) == texts{"\"a\": connection 1 lent, reused", "\"a\": connection 1 retired: taken"});
    auto lent = f.acquire();
    f.clock.advance(1s);
    CHECK(f.events_of([&] { lent.detach().close(); }) ==
          texts{"\"a\": connection 2 retired: detached, lent for 1 s"});
}

TEST_CASE_TEMPLATE("events: a connection that cannot be moved out is discarded", Capacity, pool::bounded,
    pool::bounded_open) {
    fixture<pool_of<Capacity, pool::never, pool::testing::fragile_connection>> f;
    f.put();
    f.told.clear();
    {
        const pool::testing::countdown next{pool::testing::point::move, 1};
        CHECK_THROWS((void)f.conns->take("a"));
    }
    CHECK(f.events() == texts{"\"a\": connection 1 lent, reused", "\"a\": connection 1 retired: discarded",
                            "\"a\": connection 1 closed"});
}

EACH_OBSERVED_POOL("events: a connection that is not kept has one reason") {
    const auto of_put = [](const char* why) {
        return texts{"\"a\": connection 1 put", std::string{"\"a\": connection 1 retired: "} + why,
            "\"a\": connection 1 closed"};
    };
    SUBCASE("no room") {
        fixture<Pool> f{{.max_idle = 0}};
        CHECK(f.events_of([&] { f.put(); }) == of_put("no room"));
    }
    SUBCASE("dead") {
        fixture<Pool> f;
        f.dials.prepare([](pool::testing::far_end& far) { far.dead = true; });
        CHECK(f.events_of([&] { f.put(); }) == of_put("dead"));
    }
    SUBCASE("the pool is closed") {
        fixture<Pool> f;
        f.conns->close();
        CHECK(f.events_of([&] { f.put(); }) == of_put("pool closed"));
    }
    SUBCASE("given back to a closed pool") {
        fixture<Pool> f;
        auto lent = f.acquire();
        f.put("b");
        CHECK(f.events_of([&] { f.conns->close(); }) ==
              texts{"\"b\": connection 2 retired: pool closed", "\"b\": connection 2 closed"});
        CHECK(f.events_of([&] { lent.give_back(); }) ==
              texts{"\"a\": connection 1 given back", "\"a\": connection 1 retired: pool closed",
                  "\"a\": connection 1 closed"});
    }
    SUBCASE("discarded") {
        fixture<Pool> f;
        auto lent = f.acquire();
        f.clock.advance(1s);
        CHECK(f.events_of([&] { lent.discard(); }) ==
              texts{"\"a\": connection 1 retired: discarded, lent for 1 s", "\"a\": connection 1 closed"});
    }
}

EACH_OBSERVED_POOL("events: an idle connection that leaves has one reason") {
    SUBCASE("evicted for its key") {
        fixture<Pool> f{{.max_idle_per_key = 1}};
        f.put();
        CHECK(f.events_of([&] { f.put(); }) == texts{"\"a\": connection 1 retired: evicted for its key",
                                                   "\"a\": connection 2 put", "\"a\": connection 1 closed"});
    }
    SUBCASE("evicted for the pool") {
        fixture<Pool> f{{.max_idle = 1}};
        f.put("a");
        CHECK(f.events_of([&] { f.put("b"); }).at(0) == "\"a\": connection 1 retired: evicted for the pool");
    }
    SUBCASE("by new bounds") {
        fixture<Pool> f;
        f.put("a");
        f.put("a");
        CHECK(f.events_of([&] { f.conns->reconfigure({.max_idle_per_key = 1}); }).at(0) ==
              "\"a\": connection 1 retired: evicted for its key");
        CHECK(f.events_of([&] { f.conns->reconfigure({.max_idle = 0}); }).at(0) ==
              "\"a\": connection 2 retired: evicted for the pool");
    }
    SUBCASE("dead, found by a look-up and by a sweep") {
        fixture<Pool> f;
        f.put();
        f.dials[1].dead = true;
        CHECK(f.events_of([&] { CHECK(!f.conns->try_acquire("a")); }).at(0) ==
              "\"a\": connection 1 retired: dead");
        f.put();
        f.dials[2].dead = true;
        CHECK(f.events_of([&] { f.conns->upkeep(); }) ==
              texts{"\"a\": connection 2 retired: dead", "\"a\": connection 2 closed"});
    }
    SUBCASE("cleared, of one key") {
        fixture<Pool> f;
        f.put();
        CHECK(f.events_of([&] { f.conns->clear("a"); }).at(0) == "\"a\": connection 1 retired: cleared");
    }
    SUBCASE("invalidated, idle and lent") {
        fixture<Pool> f;
        f.put();
        auto lent = f.acquire("b");
        CHECK(f.events_of([&] { f.conns->invalidate(); }) ==
              texts{"\"a\": connection 1 retired: invalidated", "\"a\": connection 1 closed"});
        CHECK(f.events_of([&] { lent.give_back(); }) ==
              texts{"\"b\": connection 2 given back", "\"b\": connection 2 retired: invalidated",
                  "\"b\": connection 2 closed"});
    }
}

EACH_OBSERVED_POOL("events: a dial that was outdated is told, and the next one has another number") {
    fixture<Pool> f;
    f.dials.next([&](const pool::dial_context&) { f.conns->invalidate(); });
    CHECK(f.events_of([&] { f.acquire().give_back(); }) ==
          texts{"\"a\": connection 1 opened", "\"a\": connection 1 retired: invalidated", "\"a\": connection 1 closed",
              "\"a\": connection 2 opened", "\"a\": connection 2 lent, fresh", "\"a\": connection 2 given back"});
    f.dials.next([&](const pool::dial_context&) { f.conns->close(); });
    texts expected{"\"a\": connection 2 retired: pool closed", "\"a\": connection 2 closed",
        "\"b\": connection 3 opened", "\"b\": connection 3 retired: pool closed", "\"b\": connection 3 closed"};
    if (Pool::bounds_open) expected.insert(expected.end() - 1, "\"b\": turned away: the pool is closed");
    CHECK(f.events_of([&] { CHECK_THROWS_AS((void)f.acquire("b"), pool::pool_closed); }) == expected);
}

EACH_OBSERVED_POOL("events: a connection that is opened ahead is put, not lent") {
    fixture<Pool> f;
    CHECK(f.events_of([&] { CHECK(f.conns->prewarm("a", 1, f.dial()).opened == 1); }) ==
          texts{"\"a\": connection 1 opened", "\"a\": connection 1 put"});
}

TEST_CASE_TEMPLATE("events: an expired connection has the reason of the policy that was first", Capacity, pool::bounded,
    pool::bounded_open) {
    using policy = pool::any_of<pool::after_idle, pool::after_lifetime, pool::after_uses>;
    using pool_type = pool_of<Capacity, policy>;
    fixture<pool_type, policy> f{{}, policy{pool::after_idle{10s}, pool::after_lifetime{25s}, pool::after_uses{2}}};
    SUBCASE("idle, in a sweep") {
        f.put();
        f.clock.advance(10s);
        CHECK(f.events_of([&] { f.conns->expire(); }).at(0) == "\"a\": connection 1 retired: idle for too long");
    }
    SUBCASE("idle, in a look-up") {
        f.put();
        f.clock.advance(10s);
        CHECK(f.events_of([&] { CHECK(!f.conns->try_acquire("a")); }).at(0) ==
              "\"a\": connection 1 retired: idle for too long");
    }
    SUBCASE("lifetime, when it is given back") {
        auto lent = f.acquire("a");
        f.clock.advance(25s);
        CHECK(f.events_of([&] { lent.give_back(); }).at(1) == "\"a\": connection 1 retired: open for too long");
    }
    SUBCASE("lifetime, while it is idle") {
        auto lent = f.acquire("a");
        f.clock.advance(20s);
        lent.give_back();
        f.clock.advance(5s);
        CHECK(f.events_of([&] { f.conns->expire(); }).at(0) == "\"a\": connection 1 retired: open for too long");
    }
    SUBCASE("uses") {
        f.acquire("a").give_back();
        CHECK(f.events_of([&] { f.acquire("a").give_back(); }).at(2) == "\"a\": connection 1 retired: used too often");
    }
    SUBCASE("by a new policy") {
        f.acquire("a").give_back();
        const auto all = f.events_of([&] {
            f.conns->reconfigure(policy{pool::after_idle{1h}, pool::after_lifetime{0s}, pool::after_uses{99}});
        });
        CHECK(all.at(0) == "\"a\": connection 1 retired: open for too long");
    }
}

/// An expiry policy of one's own.
struct on_the_hour {
    static constexpr bool can_expire = true;
    template <class TimePoint>
    TimePoint expires_at(TimePoint since) const noexcept {
        return TimePoint{std::chrono::floor<std::chrono::hours>(since.time_since_epoch()) + 1h};
    }
};

TEST_CASE("events: a policy of one's own that gives no reason") {
    using pool_type = pool_of<pool::bounded, on_the_hour>;
    fixture<pool_type, on_the_hour> f;
    f.put();
    f.clock.advance(1h);
    CHECK(f.events_of([&] { f.conns->expire(); }).at(0) == "\"a\": connection 1 retired: expired");
}

TEST_CASE("events: those of a sharded pool are told for each shard") {
    std::vector<std::string> told;
    pool::testing::fake_dialer dials;
    shards conns{{}, {}, {.on_event = [&](const event& e) { told.push_back(pool::to_string(e)); }}, dials};
    for (const char* key : {"a", "b", "c", "d", "e"}) conns.acquire(key).give_back();
    CHECK(told.size() == 15);
    CHECK(told.at(14) == "\"e\": connection " + told.at(14).substr(16, 1) + " given back");
}

TEST_CASE("events: a pool of one peer has no key") {
    std::vector<std::string> told;
    pool::testing::fake_dialer dials;
    pool::basic_pool<pool::no_key, fake_connection> conns{
        {}, {}, {.on_event = [&](const event& e) { told.push_back(pool::to_string(e)); }}, dials};
    conns.acquire().give_back();
    CHECK(told.back().substr(0, 23) == "connection 1 given back");
}

/// Its password is in no event.
struct account {
    std::string host;
    std::string password;
    friend bool operator==(const account&, const account&) = default;
};

}  // namespace observed
template <>
struct pool::key_traits<observed::account> : pool::seeded_key_traits<observed::account> {
    static std::string describe(const observed::account& key) { return key.host; }
};
namespace observed {

TEST_CASE("events: a key is shown as its traits say") {
    std::string told;
    pool::testing::fake_dialer dials;
    pool::basic_pool<account, fake_connection> conns{
        {}, {}, {.on_event = [&](const event& e) { told += pool::to_string(e) + "\n"; }}};
    const auto dial = [&](const account& of) { return dials(of.host); };
    conns.acquire(account{"db", "secret"}, dial).give_back();
    CHECK(told.find("db: connection 1 given back") != std::string::npos);
    CHECK(told.find("secret") == std::string::npos);
}

}  // namespace observed
