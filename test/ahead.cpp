// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/bounded_pool.hpp>
#include <pool/error.hpp>
#include <pool/reaper.hpp>
#include <pool/sharded_pool.hpp>
#include <pool/stats.hpp>
#include <pool/testing/actions.hpp>
#include <pool/testing/fake_connection.hpp>
#include <pool/testing/fake_dialer.hpp>

// Connections that are opened ahead of their callers: `prewarm` and `min_idle`.

namespace ahead_cases {

using namespace std::chrono_literals;
using namespace pool::testing;

namespace {

template <class Capacity>
using pool_of =
    pool::basic_pool<std::string, fake_connection, Capacity, pool::after_idle, std::mutex, pool::manual_clock>;
using idle_pool = pool_of<pool::bounded>;
using open_pool = pool_of<pool::bounded_open>;
using shards = pool::sharded_pool<2, std::string, fake_connection, pool::bounded, pool::after_idle, std::mutex,
    pool::manual_clock>;

template <class Pool>
using capacity_of = std::conditional_t<Pool::bounds_open, pool::bounded_open, pool::bounded>;

template <class Pool>
struct fixture {
    fake_dialer dials;
    pool::manual_clock clock;
    std::optional<Pool> conns;

    explicit fixture(capacity_of<Pool> bounds = {}) { conns.emplace(bounds, 100s, pool::pool_settings{}, clock); }
    std::size_t prewarm(const char* key, std::size_t count) { return conns->prewarm(key, count, dials).opened; }
    std::size_t idle(const char* key) { return conns->stats(key).idle; }
};

/// A policy by which nothing is kept.
template <class Expiry>
Expiry nothing() {
    if constexpr (std::is_same_v<Expiry, pool::after_idle>) return 0s;
    else return Expiry{0};
}

std::string text(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& known) {
        return known.what();
    }
}

}  // namespace

#define EACH_POOL(name) TEST_CASE_TEMPLATE(name, Pool, idle_pool, open_pool, shards)

EACH_POOL("prewarm: opens until so many are open, and counts those that are idle or lent") {
    fixture<Pool> f;
    CHECK(f.prewarm("a", 2) == 2);
    CHECK(f.prewarm("a", 2) == 0);
    CHECK(f.prewarm("a", 3) == 1);
    const auto lent = f.conns->acquire("a", f.dials);
    CHECK(f.prewarm("a", 3) == 0);
    CHECK(f.prewarm("a", 4) == 1);
    CHECK(f.prewarm("b", 1) == 1);
    CHECK(f.prewarm("b", 0) == 0);
    const pool::stats s = f.conns->stats();
    CHECK(s.idle == 4);
    CHECK(s.dials == 5);
    CHECK(s.puts == 5);
    CHECK(s.hits == 1);
    CHECK(s.misses == 0);  // nobody has looked anything up
    CHECK(f.conns->stats("a").idle == 3);
}

EACH_POOL("prewarm: its connections are as old as if they had been given back now [C7]") {
    fixture<Pool> f;
    f.clock.advance(7s);
    f.prewarm("a", 1);
    CHECK(f.conns->next_expiry() == f.clock.now() + 100s);
    f.clock.advance(100s);
    CHECK(f.conns->expire() == 1);
}

TEST_CASE_TEMPLATE(
    "prewarm: stops at the bounds on what is idle, and evicts nothing [C2]", Pool, idle_pool, open_pool) {
    fixture<Pool> f{{.max_idle = 3, .max_idle_per_key = 2}};
    CHECK(f.prewarm("a", 9) == 2);
    CHECK(f.prewarm("b", 9) == 1);
    CHECK(f.prewarm("c", 9) == 0);
    CHECK(f.conns->stats().evicted == 0);
    CHECK(f.dials.dials() == 3);
    CHECK(f.conns->stats().keys == 2);
}

TEST_CASE("prewarm: stops at the bounds on what is open, and makes no room") {
    fixture<open_pool> f{{.max_open = 3, .max_open_per_key = 2}};
    CHECK(f.prewarm("a", 9) == 2);
    const auto lent = f.conns->acquire("b", f.dials);
    CHECK(f.prewarm("b", 9) == 0);
    CHECK(f.dials.closed().empty());
    CHECK(f.conns->stats().idle == 2);
    CHECK(f.conns->stats("b").dialing == 0);
}

TEST_CASE("prewarm: takes no permit that somebody waits for") {
    fixture<open_pool> f{{.max_open = 2, .max_open_per_key = 1, .patience = 0s}};
    auto lent = f.conns->acquire("a", f.dials);
    std::jthread waits{[&] { CHECK(f.conns->acquire("a", f.dials)->id() == 1); }};
    while (f.conns->stats().waiting == 0) std::this_thread::yield();
    CHECK(f.prewarm("b", 1) == 0);
    lent.give_back();
    waits.join();
    CHECK(f.prewarm("b", 1) == 1);
}

EACH_POOL("prewarm: stops at the first dial that fails, and returns its error") {
    fixture<Pool> f;
    f.dials.nth(2, fails("refused"));
    const pool::prewarmed done = f.conns->prewarm("a", 3, f.dials);
    CHECK(done.opened == 1);
    CHECK(text(done.error) == "refused");
    CHECK(f.conns->stats().failed_dials == 1);
    CHECK(f.idle("a") == 1);
    const pool::prewarmed rest = f.conns->prewarm("a", 3, f.dials);
    CHECK(rest.opened == 2);
    CHECK(rest.error == nullptr);
}

EACH_POOL("prewarm: a dial that returns a dead connection has failed [C19]") {
    fixture<Pool> f;
    f.dials.prepare([](far_end& far) { far.dead = true; });
    const pool::prewarmed done = f.conns->prewarm("a", 3, f.dials);
    CHECK(done.opened == 0);
    CHECK_THROWS_AS(std::rethrow_exception(done.error), pool::dial_failed);
    CHECK(f.dials.closed() == std::vector{1});
    CHECK(f.conns->stats().keys == 0);
}

EACH_POOL("prewarm: its context ends it, and reaches the dials") {
    fixture<Pool> f;
    std::stop_source stop;
    const auto dial = [&](const std::string& key, const pool::dial_context& context) {
        CHECK_FALSE(context.stop.stop_requested());
        if (f.dials.dials() == 1) stop.request_stop();
        CHECK(context.stop.stop_requested() == stop.stop_requested());
        return f.dials(key, context);
    };
    CHECK(f.conns->prewarm("a", 9, dial, {.stop = stop.get_token()}).opened == 2);
    CHECK(f.conns->prewarm("b", 9, f.dials, {.deadline = std::chrono::steady_clock::now()}).opened == 0);
}

EACH_POOL("prewarm: a closed pool opens nothing, and one that is closed meanwhile keeps nothing [C11]") {
    fixture<Pool> f;
    f.dials.next([&](const pool::dial_context&) { f.conns->close(); });
    const pool::prewarmed done = f.conns->prewarm("a", 9, f.dials);
    CHECK(done.opened == 0);
    CHECK_FALSE(done.error);  // no dial has failed
    CHECK(f.dials.open() == 0);
    CHECK(f.prewarm("a", 9) == 0);
    CHECK(f.dials.dials() == 1);
    CHECK(f.conns->stats().idle + f.conns->stats().closing == 0);
}

EACH_POOL("prewarm: ends without an error if the pool is invalidated, and paused, meanwhile [C24, C26]") {
    fixture<Pool> f;
    f.dials.next([&](const pool::dial_context&) {
        f.conns->invalidate();
        f.conns->pause();
    });
    const pool::prewarmed done = f.conns->prewarm("a", 9, f.dials);
    CHECK(done.opened == 0);
    CHECK_FALSE(done.error);
    CHECK(f.dials.dials() == 1);
    CHECK(f.dials.open() == 0);
    CHECK(f.conns->stats().keys == 0);
}

TEST_CASE_TEMPLATE(
    "prewarm, min_idle: stop after a connection that has expired at once, which is not counted as opened", Expiry,
    pool::after_idle, pool::after_uses) {
    const auto check = [](auto capacity) {
        fake_dialer dials;
        pool::basic_pool<std::string, fake_connection, decltype(capacity), Expiry> conns{capacity, nothing<Expiry>()};
        const auto dial = [&](const std::string& key) {
            if (dials.dials() == 9) throw std::runtime_error{"it goes on and on"};
            return dials(key);
        };
        const pool::prewarmed done = conns.prewarm("a", 3, dial);
        CHECK(done.opened == 0);
        CHECK(done.error == nullptr);
        CHECK(dials.closed() == std::vector{1});
        conns.min_idle("a", 3, dial);
        conns.upkeep();
        CHECK(dials.closed() == std::vector{2});  // the next upkeep tries again
        CHECK(conns.stats().expired == 2);
        CHECK(conns.stats().dials == 2);
    };
    check(pool::bounded{});
    check(pool::bounded_open{});
}

EACH_POOL("prewarm: a dial may destroy what its key refers to") {
    fixture<Pool> f;
    auto key = std::make_unique<std::string>("a key that is too long to be kept in place");
    const auto dial = [&](const std::string& wanted) {
        key.reset();
        return f.dials(wanted);
    };
    CHECK(f.conns->prewarm(*key, 2, dial).opened == 2);
    CHECK(f.dials[2].key == "a key that is too long to be kept in place");
}

TEST_CASE("prewarm: with the dial of the pool, and in a pool of one peer") {
    fake_dialer dials;
    pool::bounded_pool<pool::no_key, fake_connection> conns{{.max_open = 3}, dials};
    CHECK(conns.prewarm(2).opened == 2);
    CHECK(conns.prewarm(3, dials).opened == 1);
    pool::bounded_pool<std::string, fake_connection> without{{.max_open = 3}};
    CHECK_THROWS_AS(without.prewarm("a", 1), pool::no_dial);
    CHECK_THROWS_AS(without.min_idle("a", 1), pool::no_dial);
}

TEST_CASE("prewarm: two threads do not open more than a bounded pool may have open") {
    fixture<open_pool> f{{.max_open = 4}};
    std::jthread other{[&] { f.prewarm("a", 4); }};
    f.prewarm("a", 4);
    other.join();
    CHECK(f.idle("a") == 4);
    CHECK(f.dials.dials() == 4);
}

EACH_POOL("min_idle: each upkeep opens what is missing") {
    fixture<Pool> f;
    f.conns->min_idle("a", 2, f.dials);
    CHECK(f.dials.dials() == 0);
    CHECK(f.conns->next_upkeep() <= f.clock.now() + 1s);
    f.conns->upkeep();
    CHECK(f.idle("a") == 2);

    f.conns->take("a")->close();
    f.dials[2].dead = true;
    f.conns->upkeep();
    CHECK(f.idle("a") == 2);
    CHECK(f.dials.dials() == 4);

    const auto lent = f.conns->acquire("a", f.dials);
    f.conns->upkeep();
    CHECK(f.idle("a") == 2);  // lent ones do not count
    f.clock.advance(100s);
    f.conns->upkeep();
    CHECK(f.idle("a") == 2);  // those that have expired are replaced
    CHECK(f.conns->stats().expired == 2);
}

EACH_POOL("min_idle: a second call for a key replaces the first, and zero ends it") {
    fixture<Pool> f;
    f.conns->min_idle("a", 2, f.dials);
    f.conns->min_idle("b", 1, f.dials);
    f.conns->min_idle("a", 1, f.dials);
    f.conns->upkeep();
    CHECK(f.idle("a") == 1);
    CHECK(f.idle("b") == 1);
    f.conns->min_idle("a", 0, f.dials);
    f.conns->min_idle("never asked for", 0, f.dials);
    f.conns->clear();
    f.conns->upkeep();
    CHECK(f.idle("a") == 0);
    CHECK(f.idle("b") == 1);
}

EACH_POOL("min_idle: a dial that fails is tried again in the next upkeep, and does not keep other keys from theirs") {
    fixture<Pool> f;
    const auto fails_once = [&, calls = 0](const std::string& key) mutable {
        if (++calls == 1) throw std::runtime_error{"refused"};
        return f.dials(key);
    };
    f.conns->min_idle("a", 2, fails_once);
    f.conns->min_idle("b", 1, f.dials);
    f.conns->upkeep();
    CHECK(f.idle("a") == 0);
    CHECK(f.idle("b") == 1);
    f.conns->upkeep();
    CHECK(f.idle("a") == 2);
    CHECK(f.conns->stats().failed_dials == 1);
}

EACH_POOL("min_idle: ends with its pool, whose dial it then destroys [C11]") {
    fixture<Pool> f;
    const auto owned = std::make_shared<int>();
    f.conns->min_idle("a", 1, [&, owned](const std::string& key) { return f.dials(key); });
    auto lent = f.conns->acquire("a", f.dials);
    f.conns->close();
    CHECK(owned.use_count() == 1);  // although a lease keeps the state of the pool
    f.conns->upkeep();
    CHECK(f.dials.dials() == 1);
}

TEST_CASE("min_idle: a reaper keeps it up") {
    fixture<open_pool> f;
    f.conns->min_idle("a", 2, f.dials);
    pool::reaper reaper{*f.conns};
    while (f.idle("a") != 2) std::this_thread::yield();
}

}  // namespace ahead_cases
