// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <memory>
#include <utility>

#include <doctest/doctest.h>

#include <support/contract_pools.hpp>
#include <support/fake.hpp>
#include <support/figures.hpp>

using namespace std::chrono_literals;

using contract::pool_of;
using contract::refusal;
using contract::test_pool;
using contract::whole;
using figures::check_exact;

// C10 Work is O(1), or O(log n) for what changes the index of deadlines, plus what it retires.

namespace {

/// Counts how often connections are asked whether they are closed or unblocked.
struct counted_connection : fake::connection {
    explicit counted_connection(fake::connection from) : fake::connection{std::move(from)} {}

    bool closed() const noexcept { return ++questions, fake::connection::closed(); }
    bool unblocked() const noexcept { return ++questions, fake::connection::unblocked(); }

    static inline int questions = 0;
};

/// Counts how often keys are compared.
struct counted_key {
    int id;
    friend bool operator==(const counted_key& a, const counted_key& b) { return ++comparisons, a.id == b.id; }

    static inline int comparisons = 0;
};

struct counted_fixture {
    counted_fixture() {
        for (int i = 0; i < size; ++i) conns.put(key, counted_connection{net.dial()});
        counted_connection::questions = counted_key::comparisons = 0;
    }

    static constexpr int size = 1000;
    const counted_key key{7};
    fake::network net;
    pool_of<whole, counted_key, counted_connection> conns;
};

}  // namespace

TEST_CASE_FIXTURE(counted_fixture, "contract: lending and giving back ask one connection, whatever the size [C10]") {
    CHECK(conns.try_acquire(key)->id() == 1);
    CHECK(counted_connection::questions == 3);  // two to lend it, one to take it back
    CHECK(counted_key::comparisons == 1);
}

TEST_CASE_FIXTURE(counted_fixture, "contract: finding n dead connections takes n steps [C10]") {
    for (int id = 1; id <= size; ++id) net[id].dead = true;
    CHECK_FALSE(conns.try_acquire(key));
    CHECK(counted_connection::questions <= 2 * size);
    CHECK(counted_key::comparisons <= 1 + size / 128);  // once for each time that it takes the lock
}

TEST_CASE_FIXTURE(counted_fixture, "contract: a dead connection is found once [C10]") {
    for (int id = 1; id <= size; ++id) net[id].dead = true;
    CHECK_FALSE(conns.try_acquire(key));
    counted_connection::questions = 0;
    CHECK_FALSE(conns.try_acquire(key));
    CHECK(counted_connection::questions == 0);
}

// C16 Statistics are exact, at every instant.

TEST_CASE("contract: statistics account for every connection [C16]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<> conns{{.max_idle = 3, .max_idle_per_key = 2}, 10s, {}, clock};

    for (const auto* key : {"a", "a", "a", "b", "c"}) conns.put(key, net.dial());  // two evicted
    check_exact(conns.stats(), 0);
    net[3].blocked = true;
    auto lent = conns.acquire("a", net.dialer());  // a dial, as the idle one is blocked
    check_exact(conns.stats(), 1);
    lent.discard();
    conns.take("b")->close();
    net[5].dead = true;
    CHECK_FALSE(conns.try_acquire("c"));  // found closed
    check_exact(conns.stats(), 3);
    clock.advance(10s);
    CHECK(conns.expire() == 1);
    check_exact(conns.stats(), 3);
    conns.acquire("d", net.dialer()).detach().close();
    conns.put("e", net.dial());
    CHECK(conns.clear() == 1);
    CHECK_THROWS((void)conns.acquire("f", [](auto&) -> fake::connection { throw refusal{}; }));
    const auto last = conns.acquire("g", net.dialer());
    conns.close();
    conns.put("h", net.dial());  // refused
    check_exact(conns.stats(), 6);

    const pool::stats expected{
        .hits = 1,
        .misses = 5,
        .dials = 3,
        .failed_dials = 1,
        .skipped_blocked = 1,
        .puts = 7,
        .refused = 1,
        .evicted = 2,
        .expired = 1,
        .cleared = 1,
        .found_closed = 1,
        .discarded = 1,
        .detached = 1,
        .lent = 1,
        .keys = 1,
    };
    CHECK(conns.stats() == expected);
}

EACH_POOL("contract: statistics are exact while a connection is being closed [C16]") {
    fake::network net;
    test_pool<Pools> conns{{.max_idle = 2 * Pools::parts}};
    int closes = 0;
    net.prepare([&](fake::line& each) { each.on_close = [&] { check_exact(conns.stats(), 0), ++closes; }; });
    for (int i = 0; i < 4; ++i) conns.put("a", net.dial());
    conns.close();
    CHECK(closes == 4);
}

// C17 Memory is O(entries): no trace of a key without entries.

EACH_POOL("contract: all entries of a key share one copy of it [C17]") {
    fake::network net;
    pool_of<Pools, std::shared_ptr<int>> conns;
    const auto key = std::make_shared<int>(0);
    for (int i = 0; i < 10; ++i) conns.put(key, net.dial());
    CHECK(key.use_count() == 2);
}

EACH_POOL("contract: a key without connections leaves no trace [C17]") {
    fake::network net;
    pool::manual_clock clock;
    pool_of<Pools, std::shared_ptr<int>> conns{{}, 10s, {}, clock};
    const auto key = std::make_shared<int>(0);
    conns.put(key, net.dial());
    REQUIRE(conns.stats().keys == 1);

    SUBCASE("after take") { conns.take(key)->close(); }
    SUBCASE("after discard") { conns.try_acquire(key).discard(); }
    SUBCASE("after clear") { conns.clear(); }
    SUBCASE("after eviction") { conns.reconfigure({.max_idle = 0}); }
    SUBCASE("after expiry") {
        clock.advance(10s);
        conns.expire();
    }
    SUBCASE("after death, and the sweep that follows the look-up") {
        net[1].dead = true;
        CHECK_FALSE(conns.try_acquire(key));
        CHECK(conns.stats().keys == 0);
        CHECK(conns.clear() == 0);
    }
    SUBCASE("after a dial that failed") {
        conns.clear();
        CHECK_THROWS((void)conns.acquire(key, [](auto&) -> fake::connection { throw refusal{}; }));
    }
    CHECK(key.use_count() == 1);
    CHECK(conns.stats().keys == 0);
}
