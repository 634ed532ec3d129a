// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/sharded_pool.hpp>

#include <support/fake.hpp>
#include <support/figures.hpp>

// The contract, clause by clause, as the caller of a pool meets it. The files beside this one go into each part.

using namespace std::chrono_literals;

namespace {

using ids = std::vector<int>;

/// Says whether it is held, and aborts when it is locked twice.
struct watched_lock {
    void lock() {
        if (std::exchange(held, true)) std::abort();
    }
    void unlock() { held = false; }

    static inline bool held = false;
};

/// Pools of one piece.
struct whole {
    static constexpr std::size_t parts = 1;

    template <class Key, class Conn>
    using pool_of = pool::basic_pool<Key, Conn, pool::bounded, pool::after_idle, watched_lock, pool::manual_clock>;
};

/// Pools of several. Their total bound is divided: what is `n` here for each part is `n * parts` there.
struct sharded {
    static constexpr std::size_t parts = 3;

    template <class Key, class Conn>
    using pool_of =
        pool::sharded_pool<parts, Key, Conn, pool::bounded, pool::after_idle, watched_lock, pool::manual_clock>;
};

template <class Pools, class Key, class Conn = fake::connection>
using pool_of = typename Pools::template pool_of<Key, Conn>;
template <class Pools = whole>
using test_pool = pool_of<Pools, std::string>;

// What does not depend on an order over all keys is the same for both.
#define EACH_POOL(name) TEST_CASE_TEMPLATE(name, Pools, whole, sharded)

constexpr pool::pool_settings newest_first() { return {.reuse = pool::reuse_order::newest_first}; }

using figures::check_exact;

}  // namespace

// C1 A connection is in exactly one of: caller's, idle, being closed, closed. It is closed exactly once.

EACH_POOL("contract: a connection has one owner at a time [C1]") {
    fake::network net;
    test_pool<Pools> conns;
    conns.put("a", net.dial());
    {
        const auto lent = conns.try_acquire("a");
        REQUIRE(lent);
        CHECK_FALSE(conns.try_acquire("a"));
        CHECK_FALSE(conns.take("a"));
    }
    auto taken = conns.take("a");
    REQUIRE(taken);
    CHECK_FALSE(conns.try_acquire("a"));
    taken->close();
}

EACH_POOL("contract: a connection is counted as closing until its close is over [C1]") {
    fake::network net;
    test_pool<Pools> conns;
    conns.put("a", net.dial());
    pool::stats during;
    net[1].on_close = [&] { during = conns.stats(); };
    conns.clear();
    CHECK(during.idle == 0);
    CHECK(during.closing == 1);
    CHECK(conns.stats().closing == 0);
}

EACH_POOL("contract: every way out closes a connection once [C1]") {
    fake::network net;
    pool::manual_clock clock;
    {
        test_pool<Pools> conns{{.max_idle_per_key = 1}, 10s, {}, clock};
        conns.put("evicted, expired", net.dial());
        conns.put("evicted, expired", net.dial());
        conns.acquire("discarded", net.dialer()).discard();
        conns.put("cleared", net.dial());
        conns.clear("cleared");
        clock.advance(10s);
        conns.expire();
        conns.put("idle to the end", net.dial());
    }
    CHECK(net.closed() == ids{1, 3, 4, 2, 5});
}

// C2 Never more than max_idle() idle, nor max_idle_for(key) of one key.

TEST_CASE("contract: the bounds hold at every instant [C2]") {
    fake::network net;
    test_pool<> conns{{.max_idle = 3, .max_idle_per_key = 2}};
    const auto check_bounds = [&] {
        CHECK(conns.stats().idle <= 3);
        CHECK(conns.stats("a").idle <= 2);
    };
    net.prepare([&](fake::line& each) { each.on_close = check_bounds; });
    for (const auto* key : {"a", "a", "a", "b", "b", "c", "a", "a"}) {
        conns.put(key, net.dial());
        check_bounds();
    }
    CHECK(net.closed() == ids{1, 2, 3, 4, 5});
}

EACH_POOL("contract: what is lent does not count [C2]") {
    fake::network net;
    test_pool<Pools> conns{{.max_idle = Pools::parts}};
    const auto first = conns.acquire("a", net.dialer());
    const auto second = conns.acquire("a", net.dialer());
    conns.put("a", net.dial());
    CHECK(net.closed().empty());
    CHECK(conns.stats("a") == pool::key_stats{.idle = 1, .lent = 2});
}

// C3 A full key gives up its own oldest; then a full pool its globally oldest, whatever its key.

EACH_POOL("contract: a full key gives up its own oldest, though another key has an older one [C3]") {
    fake::network net;
    test_pool<Pools> conns{{.max_idle = 3 * Pools::parts, .max_idle_per_key = 2}};
    for (const auto* key : {"b", "a", "a", "a"}) conns.put(key, net.dial());
    CHECK(net.closed() == ids{2});
}

TEST_CASE("contract: a full pool gives up the oldest of all, whatever its key [C3]") {
    fake::network net;
    test_pool<> conns{{.max_idle = 3, .max_idle_per_key = 2}};
    for (const auto* key : {"b", "a", "a", "c"}) conns.put(key, net.dial());
    CHECK(net.closed() == ids{1});
}

EACH_POOL("contract: the victim may be the last of the key that is being put [C3]") {
    fake::network net;
    test_pool<Pools> conns{{.max_idle = Pools::parts}};
    conns.put("a", net.dial());
    conns.put("a", net.dial());
    CHECK(net.closed() == ids{1});
    CHECK(conns.try_acquire("a")->id() == 2);
}

TEST_CASE("contract: to be used makes a connection the youngest [C3]") {
    fake::network net;
    test_pool<> conns{{.max_idle = 2}};
    conns.put("a", net.dial());
    conns.put("b", net.dial());
    CHECK(conns.try_acquire("a")->id() == 1);
    conns.put("c", net.dial());
    CHECK(net.closed() == ids{2});
}

// C4 Order within a key: oldest given back first by default; newest first by a setting.

EACH_POOL("contract: the one that was given back first is reused first [C4]") {
    fake::network net;
    test_pool<Pools> conns;
    for (int i = 0; i < 3; ++i) conns.put("a", net.dial());
    CHECK(conns.try_acquire("a")->id() == 1);
    CHECK(conns.try_acquire("a")->id() == 2);
    CHECK(conns.try_acquire("a")->id() == 3);
    CHECK(conns.try_acquire("a")->id() == 1);
}

EACH_POOL("contract: the one that was given back last is reused first, if so set [C4]") {
    fake::network net;
    test_pool<Pools> conns{{}, {}, newest_first()};
    for (int i = 0; i < 3; ++i) conns.put("a", net.dial());
    const auto third = conns.try_acquire("a");
    CHECK(third->id() == 3);
    CHECK(conns.try_acquire("a")->id() == 2);
    CHECK(conns.try_acquire("a")->id() == 2);
}

// C5 A blocked entry is skipped, keeps its place and age, counts toward the bounds, may be evicted.

EACH_POOL("contract: a blocked connection is skipped [C5]") {
    fake::network net;
    test_pool<Pools> conns;
    conns.put("a", net.dial());
    conns.put("a", net.dial());
    net[1].blocked = true;
    CHECK(conns.try_acquire("a")->id() == 2);
    CHECK(conns.stats().skipped_blocked == 1);
}

EACH_POOL("contract: a key whose connections are all blocked is a miss [C5]") {
    fake::network net;
    test_pool<Pools> conns;
    conns.put("a", net.dial());
    net[1].blocked = true;
    CHECK_FALSE(conns.try_acquire("a"));
    CHECK(conns.stats().misses == 1);
    CHECK(conns.acquire("a", net.dialer())->id() == 2);
}

EACH_POOL("contract: a skipped connection keeps its place [C5]") {
    fake::network net;
    test_pool<Pools> conns;
    conns.put("a", net.dial());
    conns.put("a", net.dial());
    net[1].blocked = true;
    CHECK(conns.try_acquire("a")->id() == 2);
    net[1].blocked = false;
    CHECK(conns.try_acquire("a")->id() == 1);
}

EACH_POOL("contract: a skipped connection keeps its age [C5]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    net[1].blocked = true;
    clock.advance(9s);
    CHECK_FALSE(conns.try_acquire("a"));
    clock.advance(1s);
    CHECK(conns.expire() == 1);
}

EACH_POOL("contract: a blocked connection counts towards the bounds and may be evicted [C5]") {
    fake::network net;
    test_pool<Pools> conns{{.max_idle_per_key = 2}};
    conns.put("a", net.dial());
    conns.put("a", net.dial());
    net[1].blocked = true;
    conns.put("a", net.dial());
    CHECK(net.closed() == ids{1});
}

// C6 A closed entry met on the way is retired in the same step. One closed before `put` is neither stored nor closed.

EACH_POOL("contract: dead connections are dropped by the look-up that meets them [C6]") {
    fake::network net;
    test_pool<Pools> conns;
    for (int i = 0; i < 4; ++i) conns.put("a", net.dial());
    net[1].dead = net[2].dead = true;
    CHECK(conns.try_acquire("a")->id() == 3);
    CHECK(conns.stats().found_closed == 2);
    CHECK(conns.stats("a").idle == 2);
    CHECK(net.closed().empty());
}

EACH_POOL("contract: a dead connection is neither kept nor closed when it comes back [C6]") {
    fake::network net;
    test_pool<Pools> conns;
    SUBCASE("by put") {
        auto dead = net.dial();
        net[1].dead = true;
        conns.put("a", std::move(dead));
    }
    SUBCASE("by the end of a lease") {
        const auto lent = conns.acquire("a", net.dialer());
        net[1].dead = true;
    }
    CHECK(conns.stats().idle == 0);
    CHECK(conns.stats().refused == 1);
    CHECK(net.closed().empty());
}

// C7 An entry is not handed out at or after its deadline, on any path; nor expired before it.

EACH_POOL("contract: a connection is not handed out at its deadline [C7]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    clock.advance(10s);
    SUBCASE("by take") { CHECK_FALSE(conns.take("a")); }
    SUBCASE("by try_acquire") { CHECK_FALSE(conns.try_acquire("a")); }
    SUBCASE("by acquire") { CHECK(conns.acquire("a", net.dialer())->id() == 2); }
    SUBCASE("by a lazy connection") { CHECK(conns.get("a", net.dialer()).invoke(&fake::connection::id) == 2); }
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats().expired == 1);
}

EACH_POOL("contract: a connection lives until its deadline [C7]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    clock.advance(10s - 1ns);
    CHECK(conns.expire() == 0);
    CHECK(conns.try_acquire("a"));
}

EACH_POOL("contract: age is counted from the last give-back [C7]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 10s, {}, clock};
    {
        const auto lent = conns.acquire("a", net.dialer());
        clock.advance(1h);
    }
    clock.advance(9s);
    CHECK(conns.try_acquire("a"));
    clock.advance(9s);
    CHECK(conns.expire() == 0);
    clock.advance(1s);
    CHECK(conns.expire() == 1);
}

// C8 No user code under the lock. Calling the pool back from close, dial or a destructor works.

EACH_POOL("contract: dial may call the pool [C8]") {
    fake::network net;
    test_pool<Pools> conns;
    const auto lent = conns.acquire("a", [&](const std::string& key) {
        CHECK_FALSE(watched_lock::held);
        conns.put("b", net.dial());
        CHECK_FALSE(conns.try_acquire(key));
        CHECK(conns.clear() == 1);
        return net.dial();
    });
    CHECK(lent->id() == 2);
}

EACH_POOL("contract: close may call the pool, whatever closes [C8]") {
    fake::network net;
    pool::manual_clock clock;
    std::optional<test_pool<Pools>> conns;
    conns.emplace(pool::bounded{.max_idle_per_key = 1}, 10s, pool::pool_settings{}, clock);
    bool called = false;
    conns->put("a", net.dial());
    net[1].on_close = [&] {
        called = true;
        CHECK_FALSE(watched_lock::held);
        conns->put("b", net.dial());
        CHECK_FALSE(conns->try_acquire("a"));
        conns->clear();
    };
    SUBCASE("clear") { conns->clear(); }
    SUBCASE("clear of a key") { conns->clear("a"); }
    SUBCASE("close") { conns->close(); }
    SUBCASE("a smaller capacity") { conns->reconfigure({.max_idle = 0}); }
    SUBCASE("a sweep") {
        clock.advance(10s);
        conns->expire();
    }
    SUBCASE("a look-up that finds it due") {
        clock.advance(10s);
        CHECK_FALSE(conns->try_acquire("a"));
    }
    SUBCASE("discard") { conns->try_acquire("a").discard(); }
    CHECK(called);
    CHECK(net.open() == 0);
}

EACH_POOL("contract: a put that evicts may be called back by the close of its victim [C8]") {
    fake::network net;
    test_pool<Pools> conns{{.max_idle = Pools::parts}};
    conns.put("a", net.dial());
    net[1].on_close = [&] { conns.put("a", net.dial()); };
    conns.put("a", net.dial());
    CHECK(net.closed() == ids{1, 2});
    CHECK(conns.try_acquire("a")->id() == 3);
}

EACH_POOL("contract: close may call the pool that is being destroyed [C8]") {
    fake::network net;
    auto conns = std::make_unique<test_pool<Pools>>();
    conns->put("a", net.dial());
    net[1].on_close = [&net, pool = conns.get()] { pool->put("a", net.dial()); };
    conns.reset();
    CHECK(net.closed() == ids{1, 2});
}

EACH_POOL("contract: the destructor of a connection may call the pool [C8]") {
    fake::network net;
    pool_of<Pools, std::string, std::shared_ptr<fake::connection>> conns;
    int destroyed = 0;
    const auto destroy = [&](fake::connection* c) {
        CHECK_FALSE(watched_lock::held);
        CHECK_FALSE(conns.try_acquire("a"));
        ++destroyed;
        delete c;
    };
    const auto dial = [&](const std::string&) {
        return std::shared_ptr<fake::connection>{new fake::connection{net.dial()}, destroy};
    };
    SUBCASE("after its close") {
        (void)conns.acquire("a", dial);
        conns.clear();
    }
    SUBCASE("after its discard") { conns.acquire("a", dial).discard(); }
    SUBCASE("when it is found dead") {
        (void)conns.acquire("a", dial);
        net[1].dead = true;
        CHECK_FALSE(conns.try_acquire("a"));
    }
    SUBCASE("when it is dead on its return") {
        const auto lent = conns.acquire("a", dial);
        net[1].dead = true;
    }
    CHECK(destroyed == 1);
}

// C9 Unlinking under the lock is the only claim: whoever unlinks owns the close. No timer holds an entry.

EACH_POOL("contract: what one call is closing, another does not find [C9]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    conns.put("a", net.dial());
    clock.advance(10s);
    net[1].on_close = [&] {  // the second one is not closed yet
        CHECK(conns.expire() == 0);
        CHECK(conns.clear() == 0);
        CHECK(conns.close().empty());
        CHECK_FALSE(conns.take("a"));
    };
    CHECK(conns.expire() == 2);
    CHECK(net.closed() == ids{1, 2});
}

EACH_POOL("contract: a look-up and a sweep do not both retire what is due [C9]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    clock.advance(10s);
    CHECK_FALSE(conns.take("a"));
    CHECK(conns.expire() == 0);
    CHECK(conns.stats().expired == 1);
}

EACH_POOL("contract: what is lent does not expire [C9]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    const auto lent = conns.try_acquire("a");
    clock.advance(1h);
    CHECK(conns.expire() == 0);
    CHECK_FALSE(lent->closed());
}

// C10 Work is O(1), or O(log n) for what changes the index of deadlines, plus what it retires.

namespace {

/// Counts how often connections are asked whether they are closed or unblocked.
struct counted_connection : fake::connection {
    explicit counted_connection(fake::connection from) : connection{std::move(from)} {}

    bool closed() const noexcept { return ++questions, connection::closed(); }
    bool unblocked() const noexcept { return ++questions, connection::unblocked(); }

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

TEST_CASE_FIXTURE(counted_fixture, "contract: to lend and give back asks one connection, whatever the size [C10]") {
    CHECK(conns.try_acquire(key)->id() == 1);
    CHECK(counted_connection::questions == 3);  // two to lend it, one to take it back
    CHECK(counted_key::comparisons == 1);
}

TEST_CASE_FIXTURE(counted_fixture, "contract: to find n dead connections costs n steps [C10]") {
    for (int id = 1; id <= size; ++id) net[id].dead = true;
    CHECK_FALSE(conns.try_acquire(key));
    CHECK(counted_connection::questions <= 2 * size);
    CHECK(counted_key::comparisons == 1);
}

TEST_CASE_FIXTURE(counted_fixture, "contract: a dead connection is found once [C10]") {
    for (int id = 1; id <= size; ++id) net[id].dead = true;
    CHECK_FALSE(conns.try_acquire(key));
    counted_connection::questions = 0;
    CHECK_FALSE(conns.try_acquire(key));
    CHECK(counted_connection::questions == 0);
}

// C11 close()

TEST_CASE("contract: close() closes what is idle, the oldest first [C11]") {
    fake::network net;
    test_pool<> conns;
    for (const auto* key : {"a", "b", "a"}) conns.put(key, net.dial());
    CHECK(conns.close().empty());
    CHECK(net.closed() == ids{1, 2, 3});
}

EACH_POOL("contract: close() returns what went wrong [C11]") {
    fake::network net;
    test_pool<Pools> conns{{}, {}, {.name = "peers"}};
    for (int i = 0; i < 3; ++i) conns.put("a", net.dial());
    net[1].on_close = [] { throw std::runtime_error{"reset"}; };
    net[3].on_close = [] { throw std::runtime_error{"timed out"}; };
    CHECK(std::string{conns.close().what()} == R"(pool "peers": 2 failed to close: reset; timed out)");
    CHECK(net.closed() == ids{1, 2, 3});
}

EACH_POOL("contract: a closed pool closes what comes back [C11]") {
    fake::network net;
    test_pool<Pools> conns;
    auto lent = conns.acquire("a", net.dialer());
    conns.close();
    SUBCASE("by give_back") { lent.give_back(); }
    SUBCASE("by put") {
        conns.put("b", lent.detach());
        CHECK(conns.stats().refused == 1);
    }
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats().idle == 0);
}

EACH_POOL("contract: a closed pool lends nothing [C11]") {
    fake::network net;
    test_pool<Pools> conns;
    conns.close();
    CHECK_THROWS_AS((void)conns.acquire("a", net.dialer()), pool::pool_closed);
    CHECK_FALSE(conns.try_acquire("a"));
    CHECK_FALSE(conns.take("a"));
    CHECK(net.dials() == 0);
}

EACH_POOL("contract: a pool that is closed during a dial does not lend what was dialled [C11]") {
    fake::network net;
    test_pool<Pools> conns;
    const auto dial = [&](const std::string&) {
        conns.close();
        return net.dial();
    };
    CHECK_THROWS_AS((void)conns.acquire("a", dial), pool::pool_closed);
    CHECK(net.closed() == ids{1});
}

EACH_POOL("contract: a second close() does nothing [C11]") {
    fake::network net;
    test_pool<Pools> conns;
    conns.put("a", net.dial());
    net[1].on_close = [] { throw std::runtime_error{"reset"}; };
    CHECK(conns.close().size() == 1);
    CHECK(conns.close().empty());
    CHECK(net.closed() == ids{1});
}

EACH_POOL("contract: close() does not wait for leases [C11]") {
    fake::network net;
    test_pool<Pools> conns;
    const auto lent = conns.acquire("a", net.dialer());
    conns.close();
    CHECK_FALSE(lent->closed());
    CHECK(conns.stats().lent == 1);
}

// C12 Whatever throws, the pool is as before, and the connection still has an owner that will close it.

namespace {

struct refusal {};

/// A key that throws from its hash, or from the last of so many copies.
struct throwing_key {
    explicit throwing_key(int number) : id{number} {}
    throwing_key(const throwing_key& other) : id{other.id} {
        if (--copies == 0) throw refusal{};
    }
    bool operator==(const throwing_key&) const = default;

    int id;
    static inline bool hashable = true;
    static inline int copies = 0;
};

}  // namespace

template <>
struct std::hash<throwing_key> {
    std::size_t operator()(const throwing_key& key) const {
        if (!std::exchange(throwing_key::hashable, true)) throw refusal{};
        return std::hash<int>{}(key.id);
    }
};

EACH_POOL("contract: a dial that throws leaves the pool as it was [C12]") {
    fake::network net;
    test_pool<Pools> conns;
    conns.put("b", net.dial());
    auto before = conns.stats();
    CHECK_THROWS_AS((void)conns.acquire("a", [](const std::string&) -> fake::connection { throw refusal{}; }), refusal);
    ++before.misses;
    ++before.failed_dials;
    CHECK(conns.stats() == before);
}

EACH_POOL("contract: a put whose hash throws leaves the caller its connection [C12]") {
    fake::network net;
    pool_of<Pools, throwing_key> conns;
    auto mine = net.dial();
    throwing_key::hashable = false;
    CHECK_THROWS_AS(conns.put(throwing_key{1}, std::move(mine)), refusal);
    CHECK_FALSE(mine.closed());
    CHECK(conns.stats() == pool::stats{});
    mine.close();
}

EACH_POOL("contract: a put whose move throws leaves the caller its connection [C12]") {
    fake::network net;
    pool_of<Pools, std::string, fake::fragile_connection> conns;
    fake::fragile_connection mine{net.dial()};
    net[1].stuck = true;
    CHECK_THROWS_AS(conns.put("a", std::move(mine)), std::runtime_error);
    CHECK_FALSE(mine.closed());
    CHECK(conns.stats() == pool::stats{});
    mine.close();
}

EACH_POOL("contract: a put whose key cannot be copied leaves the caller its connection [C12]") {
    fake::network net;
    pool_of<Pools, throwing_key> conns;
    auto mine = net.dial();
    throwing_key::copies = 1;
    CHECK_THROWS_AS(conns.put(throwing_key{1}, std::move(mine)), refusal);
    CHECK_FALSE(mine.closed());
    CHECK(conns.stats() == pool::stats{});
    mine.close();
}

EACH_POOL("contract: an acquire that cannot keep the key throws before it dials [C12]") {
    fake::network net;
    pool_of<Pools, throwing_key> conns;
    throwing_key::copies = 1;
    CHECK_THROWS_AS((void)conns.acquire(throwing_key{1}, net.dialer()), refusal);
    CHECK(net.dials() == 0);
    CHECK(conns.stats() == pool::stats{.misses = 1});
}

EACH_POOL("contract: to give back cannot fail [C12]") {
    using lease = typename test_pool<Pools>::lease_type;
    static_assert(noexcept(std::declval<lease&>().give_back()));
    static_assert(noexcept(std::declval<lease&>().discard()));
    static_assert(std::is_nothrow_destructible_v<lease>);
    static_assert(std::is_nothrow_move_assignable_v<lease>);

    fake::network net;
    pool_of<Pools, throwing_key> conns;
    auto lent = conns.acquire(throwing_key{1}, net.dialer());
    throwing_key::hashable = false;
    throwing_key::copies = 1;
    lent.give_back();
    CHECK(conns.stats().idle == 1);
    throwing_key::hashable = true;
    throwing_key::copies = 0;
}

// C13 An error of one close is recorded and never stops the others; it never escapes a destructor.

TEST_CASE("contract: a close that throws is counted and stops nothing [C13]") {
    fake::network net;
    net.prepare([](fake::line& each) { each.on_close = [] { throw std::runtime_error{"reset"}; }; });
    pool::manual_clock clock;
    test_pool<> conns{{.max_idle = 3}, 10s, {}, clock};
    for (int i = 0; i < 3; ++i) conns.put("a", net.dial());

    SUBCASE("clear") { CHECK(conns.clear() == 3); }
    SUBCASE("clear of a key") { CHECK(conns.clear("a") == 3); }
    SUBCASE("close") { CHECK(conns.close().size() == 3); }
    SUBCASE("a smaller capacity") { CHECK(conns.reconfigure({.max_idle = 0}) == 3); }
    SUBCASE("a sweep") {
        clock.advance(10s);
        CHECK(conns.expire() == 3);
    }
    SUBCASE("a look-up") {
        clock.advance(10s);
        CHECK_FALSE(conns.try_acquire("a"));
    }
    SUBCASE("eviction") {
        net.prepare([](fake::line&) {});
        for (int i = 0; i < 3; ++i) conns.put("b", net.dial());
    }
    SUBCASE("discard") {
        for (int i = 0; i < 3; ++i) conns.try_acquire("a").discard();
    }
    CHECK(net.closed() == ids{1, 2, 3});
    CHECK(conns.stats().failed_closes == 3);
    CHECK(conns.stats().closing == 0);
}

EACH_POOL("contract: a close that throws does not escape the pool's destructor [C13]") {
    fake::network net;
    {
        test_pool<Pools> conns;
        for (int i = 0; i < 3; ++i) conns.put("a", net.dial());
        for (int id = 1; id <= 3; ++id) net[id].on_close = [] { throw std::runtime_error{"reset"}; };
    }
    CHECK(net.closed() == ids{1, 2, 3});
}

EACH_POOL("contract: a close that throws does not escape the destructor of a lease [C13]") {
    fake::network net;
    test_pool<Pools> conns{{.max_idle = 0}};
    {
        const auto lent = conns.acquire("a", net.dialer());
        net[1].on_close = [] { throw std::runtime_error{"reset"}; };
    }
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats().failed_closes == 1);
}

// C14 A lease destroyed by an exception on its way out is discarded, unless the connection says that it is reusable.

EACH_POOL("contract: a connection whose user throws is closed unless it is reusable [C14]") {
    fake::network net;
    test_pool<Pools> conns;
    const auto fail_with = [&](bool reusable) {
        const auto lent = conns.acquire("a", net.dialer());
        lent->far().reusable = reusable;
        throw refusal{};
    };
    CHECK_THROWS_AS(fail_with(false), refusal);
    CHECK(net.closed() == ids{1});
    CHECK_THROWS_AS(fail_with(true), refusal);
    CHECK(net.closed().empty());
    CHECK(conns.try_acquire("a")->id() == 2);
}

// C15 A moved-from lease is empty; move-assignment gives the old one back first; double return cannot be written.

EACH_POOL("contract: a lease has one owner [C15]") {
    static_assert(!std::is_copy_constructible_v<typename test_pool<Pools>::lease_type>);
    static_assert(!std::is_copy_assignable_v<typename test_pool<Pools>::lease_type>);

    fake::network net;
    test_pool<Pools> conns;
    auto lent = conns.acquire("a", net.dialer());
    const auto moved = std::move(lent);
    CHECK_FALSE(lent);
    CHECK(moved->id() == 1);
    CHECK(conns.stats().lent == 1);
}

EACH_POOL("contract: assigning to a lease gives its connection back [C15]") {
    fake::network net;
    test_pool<Pools> conns;
    auto lent = conns.acquire("a", net.dialer());
    lent = conns.acquire("b", net.dialer());
    CHECK(lent.key() == "b");
    CHECK(conns.stats("a") == pool::key_stats{.idle = 1, .lent = 0});
}

// C16 Statistics are exact, at every instant.

TEST_CASE("contract: statistics tell the whole story [C16]") {
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
    SUBCASE("after death") {
        net[1].dead = true;
        CHECK_FALSE(conns.try_acquire(key));
    }
    SUBCASE("after a dial that failed") {
        conns.clear();
        CHECK_THROWS((void)conns.acquire(key, [](auto&) -> fake::connection { throw refusal{}; }));
    }
    CHECK(key.use_count() == 1);
    CHECK(conns.stats().keys == 0);
}

// C18 A clock that stands still or jumps is harmless; deadlines saturate.

EACH_POOL("contract: a clock that stands still expires nothing [C18]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 1ns, {}, clock};
    for (int i = 0; i < 3; ++i) CHECK(conns.acquire("a", net.dialer())->id() == 1);
    CHECK(conns.expire() == 0);
}

EACH_POOL("contract: a clock that jumps forth expires all, once [C18]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    conns.put("b", net.dial());
    clock.set(pool::manual_clock::time_point::max());
    CHECK(conns.expire() == 2);
    CHECK(conns.expire() == 0);
}

EACH_POOL("contract: after a clock has jumped back, each connection keeps to its own deadline [C18]") {
    fake::network net;
    pool::manual_clock clock;
    clock.advance(1h);
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("late", net.dial());
    clock.advance(-1h);
    conns.put("early", net.dial());
    clock.advance(10s);
    CHECK(conns.expire() == 1);
    CHECK(net.closed() == ids{2});
    clock.advance(1h);
    CHECK(conns.expire() == 1);
}

EACH_POOL("contract: what comes back after a clock has jumped back is due by the new time [C18]") {
    fake::network net;
    pool::manual_clock clock;
    clock.advance(1h);
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("later", net.dial());
    {
        const auto lent = conns.acquire("a", net.dialer());
        clock.advance(-1h);
    }
    CHECK(conns.next_expiry() == clock.now() + 10s);
    clock.advance(10s);
    CHECK(conns.expire() == 1);
    CHECK(net.closed() == ids{2});
}

EACH_POOL("contract: a deadline beyond the end of time is never [C18]") {
    fake::network net;
    pool::manual_clock clock;
    clock.set(pool::manual_clock::time_point::max() - 1s);
    test_pool<Pools> conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    clock.advance(10s);
    CHECK(conns.expire() == 0);
    CHECK(conns.try_acquire("a"));
}
