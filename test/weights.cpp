// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/core/pool_facade.hpp>
#include <pool/pool.hpp>
#include <pool/sharded_pool.hpp>
#include <pool/testing/probe_lock.hpp>

#include <support/bounded_pool.hpp>
#include <support/fake.hpp>
#include <support/ids.hpp>

// Policies that bound what the idle connections weigh together.

using namespace std::chrono_literals;
using fake::ids;
using pool::weighed;

namespace weights {
namespace {

/// Connections with the weights that a test says.
struct scales {
    fake::connection dial(std::size_t weight) {
        auto conn = net.dial();
        conn.far().weight = weight;
        return conn;
    }
    template <class Pool>
    void put(Pool& conns, const char* key, std::size_t weight) {
        conns.put(key, dial(weight));
    }
    fake::network net;
};

using idle_pool = pool::basic_pool<std::string, fake::connection, weighed<pool::bounded>>;
using open_pool = pool::basic_pool<std::string, fake::connection, weighed<pool::bounded_open>, pool::never, std::mutex,
    pool::manual_clock>;
using heavy_pool = pool::basic_pool<std::string, fake::connection, weighed<pool::unlimited>, pool::after_idle,
    pool::testing::probe_lock, pool::manual_clock>;

struct bytes {
    std::vector<char> all;
    std::size_t weight() const noexcept { return all.capacity(); }
};

/// A bound on the weight, and no function.
struct boundless : pool::bounded {
    static constexpr bool bounds_weight = true;
};
struct bound_may_throw : boundless {
    std::size_t max_idle_weight() const { return 1; }
};

}  // namespace
}  // namespace weights

using namespace weights;

template <>
inline constexpr bool pool::is_plain<bytes> = true;

TEST_CASE("weight_reporting, weight_capacity_policy: what declares a weight, and what bounds it") {
    static_assert(pool::weight_reporting<fake::connection>);
    static_assert(pool::weight_reporting<std::unique_ptr<fake::connection>>);
    static_assert(pool::weight_reporting<bytes>);
    static_assert(!pool::weight_reporting<pool::plain<std::vector<char>>>);
    static_assert(pool::weight_capacity_policy<weighed<pool::bounded>, int>);
    static_assert(pool::weight_capacity_policy<weighed<pool::bounded_open>, int>);
    static_assert(pool::open_capacity_policy<weighed<pool::bounded_open>, int>);
    static_assert(pool::patient<weighed<pool::bounded_open>>);
    static_assert(!pool::weight_capacity_policy<pool::bounded, int>);
    static_assert(!pool::weight_capacity_policy<boundless, int>);
    static_assert(!pool::weight_capacity_policy<bound_may_throw, int>);
    CHECK(pool::connection_traits<std::unique_ptr<fake::connection>>::weight(nullptr) == 0);
    CHECK(pool::connection_traits<bytes>::weight({std::vector<char>(7)}) == 7);
}

TEST_CASE("weights: an entry has the weight only if it is bounded") {
    using plain = pool::core::entry<int, fake::connection, pool::core::entry_parts<>>;
    using weighs = pool::core::entry<int, fake::connection,
        pool::core::entry_parts<pool::core::no_time, pool::core::entry_facts{.weighed = true}>>;
    CHECK(sizeof(weighs) == sizeof(plain) + sizeof(std::size_t));
}

TEST_CASE_TEMPLATE(
    "weights: the oldest of all keys are evicted until the next one fits [C3]", Pool, idle_pool, open_pool) {
    scales all;
    Pool conns{{{}, 10}};
    all.put(conns, "a", 4);
    all.put(conns, "b", 3);
    all.put(conns, "a", 3);
    CHECK(conns.stats().idle_weight == 10);
    CHECK(all.net.closed().empty());
    all.put(conns, "c", 0);
    CHECK(all.net.closed().empty());
    all.put(conns, "c", 5);
    CHECK(all.net.closed() == ids{1, 2});
    CHECK(conns.stats().idle_weight == 8);
    CHECK(conns.stats().evicted == 2);
    all.put(conns, "b", 10);
    CHECK(all.net.closed() == ids{3, 4, 5});
    CHECK(conns.stats().idle == 1);
    CHECK(conns.stats().idle_weight == 10);
}

TEST_CASE_TEMPLATE(
    "weights: what is heavier than the bound alone is refused, and evicts nothing", Pool, idle_pool, open_pool) {
    scales all;
    Pool conns{{{}, 10}};
    all.put(conns, "a", 10);
    SUBCASE("by put") { all.put(conns, "a", 11); }
    SUBCASE("by a lease") {
        auto lent = conns.acquire("b", [&](const std::string&) { return all.dial(1); });
        lent->far().weight = pool::no_limit;
    }
    CHECK(all.net.closed() == ids{2});
    CHECK(conns.stats().refused == 1);
    CHECK(conns.stats().evicted == 0);
    CHECK(conns.stats().idle_weight == 10);
}

TEST_CASE("weights: a bound of zero keeps what weighs nothing, and no bound keeps all") {
    scales all;
    idle_pool none{{{}, 0}};
    all.put(none, "a", 1);
    all.put(none, "a", 0);
    CHECK(all.net.closed() == ids{1});
    idle_pool unbounded{{}};
    all.put(unbounded, "a", pool::no_limit);
    CHECK(unbounded.stats().idle == 1);
}

TEST_CASE("weights: a connection is asked once, when it comes back, and its weight counts while it is idle") {
    scales all;
    idle_pool conns{{{}, 10}};
    all.put(conns, "a", 4);
    all.net[1].weight = 9;  // nobody asks
    CHECK(conns.stats().idle_weight == 4);
    {
        const auto lent = conns.try_acquire("a");
        CHECK(conns.stats().idle_weight == 0);
    }
    CHECK(conns.stats().idle_weight == 9);
    all.put(conns, "b", 1);
    CHECK(all.net.closed().empty());
    all.put(conns, "b", 1);
    CHECK(all.net.closed() == ids{1});
}

TEST_CASE("weights: whatever takes an idle connection away takes its weight, and asks without the lock [C8]") {
    scales all;
    pool::manual_clock clock;
    heavy_pool conns{{{}, 100}, 10s, {}, clock};
    all.put(conns, "a", 7);
    SUBCASE("take") { fake::hang_up(*conns.take("a")); }
    SUBCASE("acquire") { conns.try_acquire("a").discard(); }
    SUBCASE("clear") { conns.clear(); }
    SUBCASE("clear of a key") { conns.clear("a"); }
    SUBCASE("expiry") {
        clock.advance(10s);
        conns.expire();
    }
    SUBCASE("a look-up that finds it expired") {
        clock.advance(10s);
        CHECK_FALSE(conns.try_acquire("a"));
    }
    SUBCASE("a look-up that finds it dead") {
        all.net[1].dead = true;
        CHECK_FALSE(conns.try_acquire("a"));
    }
    SUBCASE("close") { conns.close(); }
    CHECK(conns.stats().idle_weight == 0);
    conns.close();
    CHECK(all.net.open() == 0);
}

TEST_CASE("weights: the bounds on the number hold, too, those of the key first [C3]") {
    scales all;
    idle_pool conns{{{.max_idle = 3, .max_idle_per_key = 2}, 10}};
    all.put(conns, "b", 3);
    all.put(conns, "a", 1);
    all.put(conns, "a", 1);
    all.put(conns, "a", 6);  // of its key the oldest, which makes room in all, too
    CHECK(all.net.closed() == ids{2});
    all.put(conns, "c", 4);
    CHECK(all.net.closed() == ids{1, 3});  // for the number, and for the weight
    CHECK(conns.stats().idle_weight == 10);
}

TEST_CASE_TEMPLATE("weights: new bounds evict the oldest until they hold", Pool, idle_pool, open_pool) {
    scales all;
    Pool conns{{{}, 100}};
    for (const std::size_t weight : {4U, 3U, 2U, 1U}) all.put(conns, "a", weight);
    CHECK(conns.reconfigure({{}, 3}) == 2);
    CHECK(all.net.closed() == ids{1, 2});
    CHECK(conns.stats().idle_weight == 3);
    CHECK(conns.reconfigure({{}, 0}) == 2);
    CHECK(conns.reconfigure({{}, 100}) == 0);
}

TEST_CASE("weights: a heavy connection for which a step would have to evict too many is refused [C10]") {
    scales all;
    idle_pool conns{{{}, 1000}};
    for (int i = 0; i < 129; ++i) all.put(conns, "light", 1);
    all.put(conns, "heavy", 1000);
    CHECK(conns.stats().refused == 1);
    CHECK(conns.stats().idle == 1);
    all.put(conns, "heavy", 1000);
    CHECK(conns.stats("heavy").idle == 1);
    CHECK(conns.stats().idle_weight == 1000);
}

TEST_CASE_TEMPLATE(
    "weights: what is opened ahead of its callers counts, and evicts nothing [C2]", Pool, idle_pool, open_pool) {
    scales all;
    Pool conns{{{}, 10}};
    const auto dial = [&](const std::string&) {
        if (all.net.dials() == 19) throw std::runtime_error{"it goes on and on"};
        return all.dial(4);
    };
    all.put(conns, "a", 1);
    SUBCASE("prewarm") {
        CHECK(conns.prewarm("b", 5, dial).opened == 2);
        CHECK(all.net.closed() == ids{4});  // it does not fit
        CHECK(conns.stats().refused == 1);
    }
    SUBCASE("min_idle") {
        conns.min_idle("b", 5, dial);
        conns.upkeep();
        CHECK(all.net.closed() == ids{4});
        conns.upkeep();
        CHECK(all.net.closed() == ids{5});
        CHECK(conns.stats().refused == 2);
    }
    CHECK(conns.stats().idle_weight == 9);
    CHECK(conns.stats().evicted == 0);
    all.put(conns, "a", 1);
    const int before = all.net.dials();
    CHECK(conns.prewarm("b", 5, dial).opened == 0);
    CHECK(all.net.dials() == before);  // the bound is full
}

TEST_CASE("weights: a caller that waits gets what was opened ahead, although it is too heavy to be kept") {
    scales all;
    open_pool conns{{strict({.max_open = 1}), 10}};
    std::optional<bounded_pools::caller<open_pool>> waits;
    const auto dial = [&](const std::string&) {
        waits.emplace(conns, [&](std::stop_token) { return conns.acquire("a", all.net.dialer()); });
        return all.dial(11);
    };
    CHECK(conns.prewarm("a", 5, dial).opened == 1);
    CHECK(waits->got()->id() == 1);
}

TEST_CASE("weights: the shards of a pool divide the bound") {
    scales all;
    pool::sharded_pool<2, std::string, fake::connection, weighed<pool::bounded>> conns{{{}, 9}};
    for (const auto* key : {"a", "b", "c", "d", "e", "f", "g", "h"}) all.put(conns, key, 4);
    CHECK(conns.stats().idle_weight == 8);
    CHECK(conns.stats().idle == 2);
    all.put(conns, "a", 6);
    CHECK(conns.stats().refused == 1);
}

TEST_CASE("weights: a caller that waits gets what is too heavy to be kept") {
    scales all;
    open_pool conns{{strict({.max_open = 1}), 10}};
    auto lent = conns.acquire("a", [&](const std::string&) { return all.dial(11); });
    const auto wait_for = [&](const char* key) {
        return bounded_pools::caller<open_pool>{
            conns, [&conns, &all, key](std::stop_token) { return conns.acquire(key, all.net.dialer()); }};
    };
    SUBCASE("of its key") {
        auto waits = wait_for("a");
        lent.give_back();
        CHECK(waits.got()->id() == 1);
        CHECK(conns.stats().refused == 1);  // when that caller gave it back
    }
    SUBCASE("of another key: it gets the permit") {
        auto waits = wait_for("b");
        lent.give_back();
        CHECK(waits.got()->id() == 2);
        CHECK(conns.stats().refused == 1);
    }
    CHECK(all.net.closed() == ids{1});
}

TEST_CASE("weights: while callers of another key wait, what comes back evicts the oldest until the bound holds") {
    scales all;
    open_pool conns{{strict({.max_open = 8, .max_open_per_key = 1}), 10}};
    for (const auto* key : {"a", "b", "c"}) all.put(conns, key, 3);
    auto held = conns.acquire("d", all.net.dialer());
    bounded_pools::caller<open_pool> waits{
        conns, [&](std::stop_token) { return conns.acquire("d", all.net.dialer()); }};
    all.put(conns, "e", 5);
    CHECK(all.net.closed() == ids{1, 2});
    CHECK(conns.stats().idle_weight == 8);
    held.give_back();
    CHECK(waits.got()->id() == 4);
}
