// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/pool.hpp>
#include <pool/sharded_pool.hpp>
#include <pool/testing/failure_point.hpp>
#include <pool/testing/fake_dialer.hpp>
#include <pool/testing/tended_connection.hpp>

#include <ghosts/history.hpp>

// What a pool tells its simulated pools, besides that callers come and give back.

namespace ghost_events {

using namespace std::chrono_literals;
using pool::bound_kind;
using pool::saving;
using pool::testing::fake_connection;

template <class Capacity, class Conn = fake_connection, class Expiry = pool::never>
using pool_of = pool::basic_pool<std::string, Conn, Capacity, Expiry, std::mutex, pool::manual_clock>;

/// A pool that keeps one idle connection. With twice as many, it has one more.
struct fixture {
    using pool_type = pool_of<pool::bounded>;
    static constexpr auto newest = pool::reuse_order::newest_first;

    auto acquire(const char* key = "a") { return conns.acquire(key, dials); }
    /// As many callers at once, which then give back.
    void burst(std::size_t callers, const char* key = "a") {
        std::vector<pool_type::lease_type> all;
        while (all.size() != callers) all.push_back(acquire(key));
    }
    /// The saving of twice the bound.
    std::int64_t saved(bound_kind which = bound_kind::max_idle) const {
        const pool::savings all = conns.savings();
        for (const saving& each : all.all)
            if (each.bound == which && each.more == 100) return each.dials;
        return -1;
    }

    pool::testing::fake_dialer dials;
    pool::manual_clock clock;
    pool_type conns{{.max_idle = 1}, {}, {.reuse = newest, .ghosts = true}, clock};
};

TEST_CASE("ghosts: a pool that does not ask for them takes no notes") {
    pool::testing::fake_dialer dials;
    pool_of<pool::bounded> conns{{.max_idle = 1}};
    CHECK_FALSE(conns.acquire("a", dials).age());  // no note says it
    CHECK(conns.savings() == pool::savings{});
    pool_of<pool::bounded> traced{{.max_idle = 1}, {}, {.trace_leases = true}};
    CHECK(traced.acquire("a", dials).age());
    CHECK(traced.savings() == pool::savings{});
}

TEST_CASE("ghosts: what each bound would have saved") {
    pool::testing::fake_dialer dials;
    pool_of<pool::bounded> conns{{.max_idle = 4, .max_idle_per_key = 2}, {}, {.ghosts = true}};
    CHECK(conns.savings() == pool::savings{});
    for (int round = 0; round != 2; ++round) {
        std::vector<pool_of<pool::bounded>::lease_type> all;
        for (int n = 0; n != 3; ++n) all.push_back(conns.acquire("a", dials));
    }
    pool::savings found = conns.savings();
    CHECK(found.dials == 4);
    REQUIRE(found.all.size() == 6);
    CHECK(found.all[0] == saving{bound_kind::max_idle, 25, 4, 5, 0, 0});
    CHECK(found.all[1] == saving{bound_kind::max_idle, 50, 4, 6, 0, 0});
    CHECK(found.all[2] == saving{bound_kind::max_idle, 100, 4, 8, 0, 0});
    CHECK(found.all[3] == saving{bound_kind::max_idle_per_key, 25, 2, 3, 1, 0});
    CHECK(found.all[4] == saving{bound_kind::max_idle_per_key, 50, 2, 3, 1, 0});
    CHECK(found.all[5] == saving{bound_kind::max_idle_per_key, 100, 2, 4, 1, 0});
    REQUIRE(found.best() != nullptr);
    CHECK(*found.best() == found.all[3]);
    CHECK(found.best(true) == nullptr);
}

TEST_CASE("ghosts: no bound, and a bound of zero, cannot be higher") {
    pool::testing::fake_dialer dials;
    pool_of<pool::unlimited> conns{{}, {}, {.ghosts = true}};
    for (int n = 0; n != 3; ++n) conns.acquire("a", dials).discard();
    CHECK(conns.savings().dials == 3);
    CHECK(conns.savings().all.empty());
    pool_of<pool::bounded> none{{.max_idle = 0}, {}, {.ghosts = true}};
    for (int n = 0; n != 3; ++n) none.acquire("a", dials).give_back();
    REQUIRE(none.savings().all.size() == 3);
    CHECK(none.savings().all[2] == saving{bound_kind::max_idle, 100, 0, 0, 0, 0});
}

TEST_CASE("ghosts: nothing is left of what is cleared") {
    fixture f;
    f.burst(2);
    SUBCASE("it would have been there") {
        f.burst(2);
        CHECK(f.saved() == 1);
    }
    SUBCASE("all") {
        f.conns.clear();
        f.burst(2);
        CHECK(f.saved() == 0);
    }
    SUBCASE("those of the key") {
        f.conns.clear("a");
        f.burst(2);
        CHECK(f.saved() == 0);
    }
    SUBCASE("those of another key") {
        f.conns.clear("b");
        f.burst(2);
        CHECK(f.saved() == 1);
    }
    SUBCASE("all are outdated") {
        f.conns.invalidate();
        f.burst(2);
        CHECK(f.saved() == 0);
    }
    SUBCASE("those of the key are") {
        f.conns.invalidate("a");
        f.burst(2);
        CHECK(f.saved() == 0);
    }
}

TEST_CASE("ghosts: what a caller does not give back cannot be lent") {
    fixture f;
    auto one = f.acquire(), two = f.acquire(), three = f.acquire();
    SUBCASE("given back") { one.give_back(); }
    SUBCASE("discarded") { one.discard(); }
    SUBCASE("detached") { std::move(one).detach().close(); }
    const std::int64_t is_there = f.conns.stats().idle == 1;
    two.give_back();
    three.discard();
    f.burst(2);
    CHECK(f.saved() == is_there);
}

TEST_CASE("ghosts: a dead connection cannot be lent by a larger pool, either") {
    fixture f;
    f.burst(2);
    f.dials[1].dead = true;
    f.dials[2].dead = true;
    auto lent = f.acquire();
    CHECK(f.conns.stats().found_closed == 1);
    CHECK(f.dials.dials() == 3);
    CHECK(f.saved() == 1);  // the one that was evicted may be well: nobody has asked it
    auto next = f.acquire();
    CHECK(f.saved() == 1);
}

TEST_CASE("ghosts: connections that come from nobody, and dials that are not of a caller") {
    fixture f;
    SUBCASE("put") {
        f.conns.put("a", f.dials("a"));
        f.conns.put("a", f.dials("a"));
    }
    SUBCASE("opened ahead") {
        f.conns.prewarm("a", 1, f.dials);
        f.conns.put("a", f.dials("a"));
    }
    CHECK(f.conns.savings().dials == 0);
    f.burst(2);
    CHECK(f.saved() == 1);
    CHECK(f.conns.savings().dials == 1);
}

TEST_CASE("ghosts: a connection that is taken, and a fresh one") {
    fixture f;
    f.burst(2);
    auto taken = f.conns.take("a");
    REQUIRE(taken);
    taken->close();
    SUBCASE("a look-up") {
        f.acquire().give_back();
        CHECK(f.saved() == 1);
    }
    SUBCASE("a fresh one is dialled by every pool") {
        f.conns.acquire_fresh("a", f.dials).give_back();
        CHECK(f.saved() == 0);
        CHECK(f.conns.savings().dials == 3);
    }
    SUBCASE("a look-up that does not dial saves no dial") {
        f.conns.acquire_fresh("a", f.dials).discard();
        CHECK_FALSE(f.conns.try_acquire("a"));
        CHECK(f.saved() == 0);
    }
}

TEST_CASE("ghosts: a pool without an observer tells of asynchronous callers, too") {
    fixture f;
    using pool_type = pool_of<pool::bounded>;
    struct caller final : requests::request<pool_type> {
        caller() : requests::request<pool_type>{false} {}
        bool notified() noexcept override { return true; }
    };
    const auto ask = [&] {
        caller asking;
        requests::submit(f.conns, asking, "a");
        if (requests::look(f.conns, asking) == pool::core::request_state::may_dial)
            requests::dial_succeeded(f.conns, asking, [&](const std::string& key) { return f.dials(key); });
        return requests::lease_of(f.conns, asking);
    };
    for (int i = 0; i != 10; ++i) {
        auto one = ask();
        auto other = ask();
        one.give_back();
        other.give_back();
    }
    CHECK(f.saved() == 9);
}

TEST_CASE("ghosts: bounds that change during a dial leave nothing behind") {
    pool_of<pool::bounded_open> conns{{.max_open = 4, .max_idle = 1}, {}, {.ghosts = true}};
    pool::testing::fake_dialer dials;
    dials.next([&](const auto&) { conns.reconfigure(pool::bounded_open{.max_open = 4, .max_idle = 2}); });
    conns.acquire("a", dials).give_back();
    for (int i = 0; i != 400; ++i) {
        const auto one = conns.acquire("a", dials), two = conns.acquire("a", dials), three = conns.acquire("a", dials),
                   four = conns.acquire("a", dials);
    }
    for (const saving& each : conns.savings().all) CHECK(each.waits == 0);
}

TEST_CASE("ghosts: a shard in which nothing has happened does not know its bound") {
    pool::sharded_pool<4, std::string, fake_connection, pool::bounded> conns{{.max_idle = 16}, {}, {.ghosts = true}};
    pool::testing::fake_dialer dials;
    for (int i = 0; i != 5; ++i) conns.acquire("a", dials).give_back();
    const pool::savings found = conns.savings();
    CHECK_FALSE(found.all.empty());
    for (const saving& each : found.all)
        if (each.bound == bound_kind::max_idle) CHECK(each.to == 0);
}

TEST_CASE("ghosts: a dial that fails, and its caller comes again") {
    fixture f;
    const auto refuse = [](const std::string&) -> fake_connection { throw std::runtime_error{"refused"}; };
    f.burst(2);
    auto lent = f.acquire();
    CHECK_THROWS_AS((void)f.conns.acquire("a", refuse), std::runtime_error);
    CHECK_THROWS_AS((void)f.conns.acquire("a", refuse), std::runtime_error);
    CHECK(f.saved() == 1);                // the first one would not have dialled
    CHECK(f.conns.savings().dials == 4);  // those that callers have begun
}

TEST_CASE("ghosts: a give-back during a dial is too late for the caller of that dial") {
    using pool_type = pool_of<pool::bounded>;
    struct caller final : requests::request<pool_type> {
        caller() : requests::request<pool_type>{false} {}
        bool notified() noexcept override { return true; }
    };
    fixture f;
    auto first = f.acquire(), second = f.acquire();
    auto& state = requests::state(f.conns);
    caller asking[2];
    decltype(&state.make_entry_for(asking[0])) fresh[2]{};
    for (int i : {0, 1}) {
        requests::submit(f.conns, asking[i], "a");
        CHECK(requests::look(f.conns, asking[i]) == pool::core::request_state::may_dial);
        fresh[i] = &state.make_entry_for(asking[i]);
    }
    first.give_back();
    second.give_back();
    for (int i : {0, 1}) {
        fresh[i]->construct([&] { return f.dials("a"); });
        CHECK(state.dial_succeeded(asking[i], *fresh[i]) == pool::core::dial_end::kept);
    }
    CHECK(f.conns.savings().dials == 4);
    CHECK(f.saved() == 0);
    for (int i : {0, 1}) requests::lease_of(f.conns, asking[i]).give_back();
}

TEST_CASE("ghosts: connections whose check fails") {
    using conn = pool::testing::tended_connection;
    pool::testing::fake_dialer dials;
    pool_of<pool::bounded, conn> conns{{.max_idle = 1}, {}, {.reuse = fixture::newest, .ghosts = true}};
    const auto dial = [&](const std::string& key) { return conn{dials(key)}; };
    { auto one = conns.acquire("a", dial), two = conns.acquire("a", dial); }
    conns.put("b", dial("b"));
    conns.acquire("b", dial).give_back();
    CHECK(conns.savings().all.back().dials == 0);
    conns.acquire("a", dial).give_back();
    CHECK(conns.savings().all.back().dials == 1);
}

TEST_CASE("ghosts: new bounds begin a new estimate, with what is in the pool") {
    fixture f;
    f.burst(2);
    f.burst(2);
    CHECK(f.conns.savings().dials == 3);
    auto kept = f.acquire();
    f.conns.reconfigure({.max_idle = 2});
    CHECK(f.conns.savings() == pool::savings{});
    kept.give_back();
    f.burst(4);
    CHECK(f.conns.savings().dials == 3);
    REQUIRE(f.conns.savings().all.size() == 3);
    CHECK(f.conns.savings().all[2] == saving{bound_kind::max_idle, 100, 2, 4, 0, 0});
    f.burst(4);
    CHECK(f.conns.savings().all[0] == saving{bound_kind::max_idle, 25, 2, 3, 1, 0});
    CHECK(f.conns.savings().all[2] == saving{bound_kind::max_idle, 100, 2, 4, 2, 0});
}

/// Bounds that differ between keys.
struct by_key : pool::bounded {
    std::size_t max_idle_for(const std::string& key) const noexcept { return key == "a" ? 1 : 2; }
};

TEST_CASE("ghosts: a bound that differs between keys has no number") {
    pool::testing::fake_dialer dials;
    pool_of<by_key> conns{{}, {}, {.ghosts = true}};
    for (const char* key : {"a", "b"})
        for (int round = 0; round != 2; ++round) {
            std::vector<pool_of<by_key>::lease_type> all;
            for (int n = 0; n != 4; ++n) all.push_back(conns.acquire(key, dials));
        }
    const pool::savings found = conns.savings();
    REQUIRE(found.all.size() == 3);
    CHECK(found.all[2] == saving{bound_kind::max_idle_per_key, 100, 0, 0, 3, 0});
    CHECK(pool::to_string(found) == "23 % of dials would be saved by .max_idle_per_key, 100 % higher");
}

TEST_CASE("ghosts: a sharded pool has what its shards have, and the bounds of all") {
    using namespace ghost_histories;
    const history calls = random_history({.calls = 4'000, .keys = 50}, 1);
    const auto play = [&](std::size_t max_idle, bool has_ghosts) {
        pool::manual_clock clock;
        pool::sharded_pool<4, int, session, pool::bounded, pool::never, std::mutex, pool::manual_clock> conns{
            {.max_idle = max_idle}, {}, {.ghosts = has_ghosts}, clock};
        using lease = decltype(conns)::lease_type;
        std::multimap<span, lease> lent;
        for (const call& each : calls) {
            while (!lent.empty() && lent.begin()->first <= each.at) lent.erase(lent.begin());
            lent.emplace(each.at + each.hold, conns.acquire(each.key, [](int) { return session{}; }));
        }
        lent.clear();
        return outcome{conns.stats().dials, 0, conns.savings()};
    };
    const outcome real = play(10, true);
    CHECK(real.saved.dials == real.dials);
    REQUIRE(real.saved.all.size() == 3);
    CHECK(real.saved.all[0].to == 13);
    CHECK(real.saved.all[1].to == 15);
    CHECK(real.saved.all[2].to == 20);
    for (const saving& each : real.saved.all) {
        CHECK(each.from == 10);
        CHECK(each.dials == static_cast<std::int64_t>(real.dials - play(each.to, false).dials));
    }
}

TEST_CASE("ghosts: the ready-made pools have the setting, too") {
    pool::testing::fake_dialer dials;
    pool::connection_pool<std::string, fake_connection> some{{.capacity = 2, .ghosts = true}, dials};
    some.acquire("a").give_back();
    CHECK(some.savings().dials == 1);
    CHECK(some.savings().all.size() == 3);
    pool::bounded_pool<std::string, fake_connection> all{{.max_open = 2, .max_open_per_key = 1, .ghosts = true}, dials};
    all.acquire("a").give_back();
    CHECK(all.savings().dials == 1);
    CHECK(all.savings().all.size() == 6);
}

TEST_CASE("ghosts: without memory, the estimate begins anew, and the pool goes on") {
    bool has_failed = false;
    for (std::uint64_t n = 1; n <= 60; ++n) {
        fixture f;
        f.burst(2);
        auto lent = f.acquire();
        {
            const pool::testing::countdown next{pool::testing::point::allocation, n};
            lent.give_back();
        }
        CHECK(f.conns.stats().idle == 1);
        has_failed |= f.conns.savings().dials == 0;
        f.burst(2);
        f.burst(2);
        CHECK(f.saved() >= 1);
    }
    CHECK(has_failed);
}

TEST_CASE("savings: as text") {
    pool::savings some{.dials = 200, .waits = 10, .all = {}};
    CHECK(pool::to_string(some) == "nothing");
    some.all = {{bound_kind::max_idle, 25, 8, 10, 1, 0}, {bound_kind::max_idle, 50, 8, 12, 22, 0},
        {bound_kind::max_idle, 100, 8, 16, 24, -2}};
    CHECK(pool::to_string(some) == "11 % of dials would be saved by .max_idle = 12");
    some.all.push_back({bound_kind::max_open, 25, 16, 20, 23, 9});
    CHECK(pool::to_string(some) ==
          "11 % of dials would be saved by .max_idle = 12; 90 % of waits would be saved by .max_open = 20");
    some.dials = 0;
    CHECK(pool::to_string(some) == "90 % of waits would be saved by .max_open = 20");
    CHECK(some.percent(some.all[2], true) == -20);
}

}  // namespace ghost_events
