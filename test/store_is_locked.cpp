// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <latch>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/reaper.hpp>
#include <pool/sharded_pool.hpp>
#include <pool/testing/probe_lock.hpp>

#include <support/fake.hpp>

// Every operation over a lock that knows its holder: the pool then asserts that its connections are only used with the
// lock. The other half of the rule is checked here: no connection is dialled or closed with it.

namespace store_is_locked_cases {

using namespace std::chrono_literals;
using pool::testing::probe_lock;

namespace {

template <class Capacity>
using pool_of =
    pool::basic_pool<std::string, fake::connection, Capacity, pool::after_idle, probe_lock, pool::manual_clock>;
using shards_of = pool::sharded_pool<2, std::string, fake::connection, pool::bounded, pool::after_idle, probe_lock,
    pool::manual_clock>;

/// Dials and closes only without any lock.
struct fixture {
    fixture() {
        net.prepare([this](fake::line& line) {
            line.on_close = [this] {
                ++closes;
                CHECK_FALSE(probe_lock::any_is_mine());
            };
        });
    }
    auto dialer() {
        return [this](const std::string&) {
            CHECK_FALSE(probe_lock::any_is_mine());
            return net.dial();
        };
    }

    fake::network net;
    pool::manual_clock clock;
    int closes = 0;
};

}  // namespace

static_assert(requires(const probe_lock& lock) { pool::lock_traits<probe_lock>::held(lock); });
static_assert(requires(const pool::core::padded_lock<probe_lock>& lock) {
    pool::lock_traits<pool::core::padded_lock<probe_lock>>::held(lock);
});

TEST_CASE_TEMPLATE_DEFINE(
    "lock: what is idle and lent is used with the lock, and closed without it", Pool, idle_and_lent) {
    fixture f;
    Pool conns{{}, 10s, {}, f.clock};
    conns.reserve(8);
    conns.put("a", f.net.dial());
    conns.put("a", f.net.dial());
    conns.put("b", f.net.dial());
    auto lazy = conns.get("a", f.dialer());
    CHECK(lazy.invoke([](fake::connection&) { return probe_lock::any_is_mine(); }) == false);
    conns.acquire("c", f.dialer()).discard();
    CHECK(f.closes == 1);
    auto kept = conns.acquire("c", f.dialer()).detach();
    kept.close();
    auto taken = conns.take("b");
    REQUIRE(taken);
    conns.put("b", *std::move(taken));
    CHECK(conns.clear("b") == 1);
    CHECK(conns.stats("a").idle == 2);
    CHECK(conns.next_expiry() > f.clock.now());
    f.clock.advance(10s);
    CHECK(conns.expire() == 2);
    conns.put("d", f.net.dial());
    CHECK(conns.clear() == 1);
    {
        const auto lent = conns.acquire("e", f.dialer());
        CHECK(conns.close().empty());
        CHECK_THROWS_AS((void)conns.acquire("e", f.dialer()), pool::pool_closed);
    }
    CHECK(f.closes == f.net.dials());
}
TEST_CASE_TEMPLATE_INVOKE(idle_and_lent, pool_of<pool::bounded>, pool_of<pool::bounded_open>, shards_of);

TEST_CASE("lock: callers wait, give up and are served with the lock") {
    fixture f;
    pool_of<pool::bounded_open> conns{{.max_open = 1, .max_waiting = 1}, 10s, {}, f.clock};
    std::optional lent{conns.acquire("a", f.dialer())};

    SUBCASE("one is served, by another connection") {
        std::jthread waiter{[&] { CHECK(conns.acquire("b", f.dialer())->id() == 2); }};
        while (conns.stats().waiting == 0) std::this_thread::yield();
        CHECK_THROWS_AS((void)conns.acquire("c", f.dialer()), pool::queue_full);
        lent.reset();
        waiter.join();
        CHECK(f.closes == 1);
    }
    SUBCASE("one gives up") {
        std::jthread waiter{[&](const std::stop_token& stop) {
            CHECK_THROWS_AS((void)conns.acquire("b", f.dialer(), stop), pool::acquire_cancelled);
        }};
        while (conns.stats().waiting == 0) std::this_thread::yield();
        waiter.request_stop();
        waiter.join();
        CHECK_THROWS_AS((void)conns.acquire("b", f.dialer(), f.clock.now()), pool::acquire_timeout);
    }
    SUBCASE("a dial fails") {
        lent.reset();
        CHECK_THROWS_AS((void)conns.acquire("b", [](const std::string&) -> fake::connection { throw 1; }), int);
    }
    SUBCASE("one waits for the end of all") {
        conns.close();
        std::jthread waiter{[&] { CHECK(conns.drain(pool::manual_clock::time_point::max()) == 0); }};
        CHECK(conns.drain(f.clock.now()) == 1);
        lent.reset();
        waiter.join();
    }
}

TEST_CASE_TEMPLATE("lock: a reaper sweeps with it, and closes without it", Pool, pool_of<pool::bounded>, shards_of) {
    fixture f;
    std::latch closed{2};
    f.net.prepare([&](fake::line& line) {
        line.on_close = [&] {
            CHECK_FALSE(probe_lock::any_is_mine());
            closed.count_down();
        };
    });
    Pool conns{{}, 10s, {}, f.clock};
    conns.put("a", f.net.dial());
    conns.put("b", f.net.dial());
    const pool::reaper sweeper{conns};
    f.clock.advance(10s);
    closed.wait();
    CHECK(conns.stats().expired == 2);
}

}  // namespace store_is_locked_cases
