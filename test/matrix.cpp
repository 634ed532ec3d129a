// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/sharded_pool.hpp>
#include <pool/testing/probe_lock.hpp>

#include <support/fake.hpp>
#include <support/figures.hpp>

// One suite that runs on every combination of the policies. It leaves out the checks that do not apply to a
// combination.

namespace matrix_cases {

using namespace std::chrono_literals;
using pool::testing::probe_lock;

namespace {

using ids = std::vector<int>;

using heavy = pool::weighed<pool::bounded>;

using aging = pool::any_of<pool::after_idle, pool::after_lifetime, pool::after_uses>;

template <class Pool>
struct of;
template <class Capacity, class Expiry, class Lock, class Clock>
struct of<pool::basic_pool<std::string, fake::connection, Capacity, Expiry, Lock, Clock>> {
    static constexpr bool bounded = !std::is_same_v<Capacity, pool::unlimited>;
    static constexpr bool expires = !std::is_same_v<Expiry, pool::never>;
    static constexpr bool time_moves = std::is_same_v<Clock, pool::manual_clock>;

    static Capacity capacity() {
        if constexpr (std::is_same_v<Capacity, pool::bounded>) return {.max_idle = 3, .max_idle_per_key = 2};
        else if constexpr (std::is_same_v<Capacity, pool::bounded_open>) return {.max_idle = 3, .max_idle_per_key = 2};
        else if constexpr (std::is_same_v<Capacity, heavy>) return {{.max_idle = 3, .max_idle_per_key = 2}, 100};
        else return {};
    }
    static Expiry expiry() {
        if constexpr (std::is_same_v<Expiry, aging>) return aging{1h, 100h, pool::after_uses{1'000}};
        else if constexpr (expires) return 1h;
        else return {};
    }

    /// Which connections the bounds evict when connections of b, a, a, a and c are put, in this order.
    static ids victims() { return bounded ? ids{2, 1} : ids{}; }
};

/// Shards divide a bound over all keys, so the evictions would depend on the keys' hashes. Only the keys are bounded
/// here.
template <std::size_t Shards, class Capacity, class Expiry, class Lock, class Clock>
struct of<pool::sharded_pool<Shards, std::string, fake::connection, Capacity, Expiry, Lock, Clock>>
    : of<pool::basic_pool<std::string, fake::connection, Capacity, Expiry, Lock, Clock>> {
    static Capacity capacity() {
        if constexpr (std::is_same_v<Capacity, pool::bounded>) return {.max_idle_per_key = 2};
        else return {};
    }
    static ids victims() { return of::bounded ? ids{2} : ids{}; }
};

using small = pool::fixed<3, 2>;
using real = std::chrono::steady_clock;
using manual = pool::manual_clock;

template <class Capacity, class Expiry, class Lock, class Clock>
using pool_of = pool::basic_pool<std::string, fake::connection, Capacity, Expiry, Lock, Clock>;

template <std::size_t Shards, class Capacity, class Expiry, class Lock, class Clock>
using shards_of = pool::sharded_pool<Shards, std::string, fake::connection, Capacity, Expiry, Lock, Clock>;
using small_keys = pool::fixed<pool::no_limit, 2>;

/// A pool with the bounds 3 and 2, if it has bounds. Its connections expire after an hour, if they expire.
template <class Pool>
struct fixture {
    fake::network net;
    decltype(auto) acquire(const char* key) { return conns->acquire(key, net.dialer()); }
    void put(const char* key) { conns->put(key, net.dial()); }

    std::remove_cvref_t<decltype(std::declval<Pool&>().clock())> clock{};
    std::optional<Pool> conns{std::in_place, of<Pool>::capacity(), of<Pool>::expiry(), pool::pool_settings{}, clock};
};

#if defined(__SANITIZE_ADDRESS__)  // slow to compile, and locks and clocks do nothing to memory
#define POOL_OF_EACH_LOCK_AND_CLOCK(Capacity, Expiry)                                                                  \
    pool_of<Capacity, Expiry, std::mutex, manual>, pool_of<Capacity, Expiry, pool::null_mutex, manual>
#define POOL_THAT_WAITS_OF_EACH_CLOCK(Expiry) pool_of<pool::bounded_open, Expiry, std::mutex, manual>
#else
#define POOL_OF_EACH_LOCK_AND_CLOCK(Capacity, Expiry)                                                                  \
    pool_of<Capacity, Expiry, std::mutex, real>, pool_of<Capacity, Expiry, std::mutex, manual>,                        \
        pool_of<Capacity, Expiry, pool::null_mutex, real>, pool_of<Capacity, Expiry, pool::null_mutex, manual>,        \
        pool_of<Capacity, Expiry, pool::adaptive_mutex, manual>

// A pool whose callers may wait needs a lock.
#define POOL_THAT_WAITS_OF_EACH_CLOCK(Expiry)                                                                          \
    pool_of<pool::bounded_open, Expiry, std::mutex, real>, pool_of<pool::bounded_open, Expiry, std::mutex, manual>,    \
        pool_of<pool::bounded_open, Expiry, pool::adaptive_mutex, manual>,                                             \
        pool_of<pool::bounded_open, Expiry, std::mutex, pool::coarse_clock>
#endif

#define EVERY_POOL                                                                                                     \
    POOL_OF_EACH_LOCK_AND_CLOCK(pool::unlimited, pool::never),                                                         \
        POOL_OF_EACH_LOCK_AND_CLOCK(pool::unlimited, pool::after_idle),                                                \
        POOL_OF_EACH_LOCK_AND_CLOCK(pool::bounded, pool::never),                                                       \
        POOL_OF_EACH_LOCK_AND_CLOCK(pool::bounded, pool::after_idle), POOL_OF_EACH_LOCK_AND_CLOCK(small, pool::never), \
        POOL_OF_EACH_LOCK_AND_CLOCK(small, pool::after_idle),                                                          \
        pool_of<small, pool::after_idle, pool::adaptive_mutex, pool::coarse_clock>,                                    \
        pool_of<pool::bounded, pool::after_idle, probe_lock, manual>,                                                  \
        pool_of<heavy, pool::after_idle, probe_lock, manual>,                                                          \
        pool_of<pool::bounded_open, pool::after_idle, probe_lock, manual>, POOL_THAT_WAITS_OF_EACH_CLOCK(pool::never), \
        POOL_THAT_WAITS_OF_EACH_CLOCK(pool::after_idle), shards_of<2, pool::unlimited, pool::never, std::mutex, real>, \
        shards_of<3, pool::bounded, pool::after_idle, std::mutex, manual>,                                             \
        shards_of<8, small_keys, pool::after_idle, pool::adaptive_mutex, pool::coarse_clock>,                          \
        shards_of<2, small_keys, pool::never, pool::null_mutex, manual>,                                               \
        shards_of<2, small_keys, pool::after_idle, probe_lock, manual>,                                                \
        pool_of<pool::bounded, aging, pool::null_mutex, manual>, pool_of<pool::bounded_open, aging, probe_lock, manual>, \
        shards_of<2, pool::bounded, aging, std::mutex, real>

}  // namespace

TEST_CASE_TEMPLATE("matrix: a connection that is given back is reused, the oldest first [C4]", Pool, EVERY_POOL) {
    fixture<Pool> f;
    {
        const auto first = f.acquire("a");
        const auto second = f.acquire("a");
        CHECK(first->id() == 1);
        CHECK(second->id() == 2);
    }
    CHECK(f.acquire("a")->id() == 2);  // the second lease ended first
    CHECK(f.acquire("a")->id() == 1);
    CHECK(f.net.dials() == 2);
}

TEST_CASE_TEMPLATE("matrix: keys are kept apart", Pool, EVERY_POOL) {
    fixture<Pool> f;
    f.put("a");
    CHECK_FALSE(f.conns->try_acquire("b"));
    CHECK(f.conns->try_acquire("a")->id() == 1);
}

TEST_CASE_TEMPLATE("matrix: the bounds hold, and the oldest are evicted first [C2] [C3]", Pool, EVERY_POOL) {
    fixture<Pool> f;
    for (const auto* key : {"b", "a", "a", "a", "c"}) f.put(key);
    const ids victims = of<Pool>::victims();
    CHECK(f.net.closed() == victims);
    CHECK(f.conns->stats().evicted == victims.size());
    CHECK(f.conns->stats().idle == 5 - victims.size());
}

TEST_CASE_TEMPLATE("matrix: a connection expires at its expiry time and not before [C7]", Pool, EVERY_POOL) {
    fixture<Pool> f;
    f.put("a");
    if constexpr (of<Pool>::expires) {
        CHECK(f.conns->expire() == 0);
        CHECK(f.conns->next_expiry() <= f.clock.now() + 1h);
        if constexpr (of<Pool>::time_moves) {
            f.clock.advance(59min);
            CHECK(f.conns->try_acquire("a"));
            f.clock.advance(59min);
            CHECK(f.conns->expire() == 0);
            f.clock.advance(1min);
            CHECK_FALSE(f.conns->try_acquire("a"));
            CHECK(f.net.closed().empty());  // a look-up leaves its closes to others
            f.put("a");
            CHECK(f.net.closed() == ids{1});
            f.clock.advance(1h);
            CHECK(f.conns->expire() == 1);
        }
    } else if constexpr (of<Pool>::time_moves) {
        f.clock.advance(1000000h);
        CHECK(f.conns->try_acquire("a"));
    }
}

TEST_CASE_TEMPLATE("matrix: take and put move raw connections out of the pool and into it", Pool, EVERY_POOL) {
    fixture<Pool> f;
    f.put("a");
    auto taken = f.conns->take("a");
    REQUIRE(taken);
    CHECK(f.conns->stats().keys == 0);
    CHECK_FALSE(f.conns->take("a"));
    f.conns->put("b", *std::move(taken));
    CHECK(f.conns->try_acquire("b")->id() == 1);
}

TEST_CASE_TEMPLATE("matrix: discard closes the connection, detach gives it to the caller", Pool, EVERY_POOL) {
    fixture<Pool> f;
    f.acquire("a").discard();
    CHECK(f.net.closed() == ids{1});
    auto kept = f.acquire("a").detach();
    CHECK(f.conns->stats().keys == 0);
    CHECK(f.net.open() == 1);
    kept.close();
}

TEST_CASE_TEMPLATE("matrix: a look-up skips blocked connections and drops closed ones [C5] [C6]", Pool, EVERY_POOL) {
    fixture<Pool> f;
    f.put("a");
    f.put("a");
    f.net[1].blocked = true;
    CHECK(f.conns->try_acquire("a")->id() == 2);
    f.net[1].blocked = false;
    f.net[1].dead = true;
    CHECK(f.conns->try_acquire("a")->id() == 2);
    CHECK(f.conns->stats().idle == 1);
    CHECK(f.net.closed() == ids{1});
}

TEST_CASE_TEMPLATE("matrix: clear closes what is idle, of one key or of all", Pool, EVERY_POOL) {
    fixture<Pool> f;
    f.put("a");
    f.put("b");
    CHECK(f.conns->clear("b") == 1);
    CHECK(f.net.closed() == ids{2});
    CHECK(f.conns->clear() == 1);
    CHECK(f.net.closed() == ids{1});
}

TEST_CASE_TEMPLATE("matrix: a closed pool keeps nothing and dials nothing [C11]", Pool, EVERY_POOL) {
    fixture<Pool> f;
    f.put("a");
    auto lent = f.acquire("b");
    CHECK(f.conns->close().empty());
    CHECK(f.net.closed() == ids{1});
    CHECK_THROWS_AS((void)f.acquire("a"), pool::pool_closed);
    lent.give_back();
    CHECK(f.net.closed() == ids{2});
    CHECK(f.net.dials() == 2);
}

TEST_CASE_TEMPLATE("matrix: a lease and a lazy connection may outlive the pool", Pool, EVERY_POOL) {
    fixture<Pool> f;
    auto lazy = f.conns->get("a", f.net.dialer());
    auto lent = f.acquire("a");
    f.conns.reset();
    CHECK_THROWS_AS(lazy.invoke([](fake::connection&) {}), pool::pool_closed);
    CHECK(f.net.open() == 1);
    lent.give_back();
    CHECK(f.net.open() == 0);
}

TEST_CASE_TEMPLATE(
    "matrix: a lazy connection dials once, and the end of a stream gives its connection back", Pool, EVERY_POOL) {
    fixture<Pool> f;
    auto lazy = f.conns->get("a", f.net.dialer());
    CHECK(f.net.dials() == 0);
    CHECK(lazy.invoke([](fake::connection& conn) { return conn.id(); }) == 1);
    auto rows = lazy.open_stream([](fake::connection& conn) { return fake::stream{conn, 1}; });
    CHECK(f.conns->stats("a") == pool::key_stats{.idle = 0, .lent = 1});
    rows.next();
    CHECK(f.conns->stats("a") == pool::key_stats{.idle = 1, .lent = 0});
    CHECK(f.net.dials() == 1);
}

TEST_CASE_TEMPLATE("matrix: the statistics add up after every step [C16]", Pool, EVERY_POOL) {
    fixture<Pool> f;
    std::uint64_t look_ups = 0;
    const auto adds_up = [&] { figures::check_exact(f.conns->stats(), look_ups); };
    for (const auto* key : {"b", "a", "a", "a", "c"}) {
        f.put(key);
        adds_up();
    }
    ++look_ups;
    auto lent = f.conns->try_acquire("a");
    REQUIRE(lent);
    adds_up();
    lent.give_back();
    adds_up();
    ++look_ups;
    CHECK_FALSE(f.conns->take("d"));
    adds_up();
    for (int id = 1; id <= f.net.dials(); ++id) {
        if (f.net[id].closes == 0) f.net[id].dead = true;
    }
    ++look_ups;
    CHECK_FALSE(f.conns->try_acquire("c"));
    CHECK(f.conns->stats().found_closed == 1);
    adds_up();
    f.conns->clear("a");
    adds_up();
    f.conns->close();
    adds_up();
    f.put("a");
    adds_up();
    CHECK(f.conns->stats().refused == 1);
}

// A policy without state takes no space.
namespace {

template <class Capacity, class Expiry, class Lock>
constexpr std::size_t size = sizeof(pool::core::pool_state<int, fake::connection, Capacity, Expiry, Lock, real>);

template <pool::core::entry_facts Has>
constexpr std::size_t size_of_entry =
    sizeof(pool::core::entry<int, fake::connection, pool::core::entry_parts<manual::time_point, Has>>);

}  // namespace

static_assert(size<small, pool::never, pool::null_mutex> + sizeof(pool::bounded) ==
              size<pool::bounded, pool::never, pool::null_mutex>);
static_assert(size<small, pool::never, pool::null_mutex> + sizeof(std::mutex) == size<small, pool::never, std::mutex>);
static_assert(size_of_entry<pool::core::entry_facts{}> + 2 * sizeof(manual::time_point) ==
              size_of_entry<pool::core::entry_facts{.timed = true}>);

// What an expiry policy asks for takes no more than it has to: here a time, and four bytes that fill a gap.
static_assert(size_of_entry<pool::core::entry_facts{.timed = true}> + sizeof(manual::time_point) ==
              size_of_entry<pool::core::entry_facts{.timed = true, .opened = true, .wear = true}>);
static_assert(size_of_entry<pool::core::entry_facts{.timed = true}> ==
              size_of_entry<pool::core::entry_facts{.timed = true, .wear = true}>);

}  // namespace matrix_cases
