// SPDX-License-Identifier: BSL-1.0
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

#include <support/later_checks.hpp>

// Connections that asynchronous callers are lent are checked by asynchronous operations.

using namespace later;

namespace {

using pool::testing::async_tended_connection;
using async_idle = pool_of<pool::bounded, async_tended_connection>;
using async_open = pool_of<pool::bounded_open, async_tended_connection>;

}  // namespace

TEST_CASE_TEMPLATE("async check: a caller gets the connection when its check has passed, and no thread waits [C20]",
    Pool, later_idle, later_open, later_shards) {
    check_fixture<Pool> f;
    f.put("a");
    auto got = f.ask("a");
    CHECK_FALSE(got->done);
    CHECK(f.begun.running() == 1);
    CHECK(f.stats().lent == 1);
    CHECK(f.stats().checking == 1);
    CHECK(f.stats().hits == 0);
    auto other = f.ask("a");
    CHECK(other->lease->id() == 2);
    f.begun.take()(true);
    CHECK_FALSE(got->done);  // its handler runs on its executor
    f.run();
    CHECK(got->lease->id() == 1);
    CHECK(got->lease.reused());
    got->lease.give_back();
    CHECK(f.history(1) == "dialled for a, checked, reset");
    CHECK(f.stats().hits == 1);
    f.check_sums(2);
}

TEST_CASE_TEMPLATE(
    "async check: it may end at once, or in another thread [C20]", Pool, later_idle, later_open, later_shards) {
    for (const bool is_other : {false, true}) {
        check_fixture<Pool> f;
        f.put("a");
        f.far(1).on_async_check = [is_other](hook_done done) {
            if (is_other) std::thread{[&] { done(true); }}.join();
            else done(true);
        };
        auto got = f.ask("a");
        CHECK(got->lease->id() == 1);
        f.check_sums(1);
    }
}

TEST_CASE_TEMPLATE("async check: without a yes the next one is tried, and after two the caller dials [C20]", Pool,
    later_idle, later_open, later_shards) {
    for (const refusal& each : refusals()) {
        CAPTURE(each.name);
        check_fixture<Pool> f;
        f.put("a", 4);
        for (int id : {1, 3, 4}) f.far(id).on_async_check = each.act;
        auto got = f.ask("a");
        f.answer(true);
        CHECK(got->lease->id() == 2);
        auto other = f.ask("a");
        CHECK(other->lease->id() == 5);
        CHECK(f.stats().found_unhealthy == 3);
        f.conns->upkeep();
        for (int id : {1, 3, 4}) CHECK(f.far(id).closes == 1);
        f.check_sums(2);
    }
}

TEST_CASE_TEMPLATE(
    "async check: a caller checks two and no more, however many are idle [C20]", Pool, later_idle, later_open) {
    check_fixture<Pool> f;
    f.put("a", 5);
    auto got = f.ask("a");
    f.answer(false);
    CHECK_FALSE(got->done);
    f.answer(false);
    CHECK(got->lease->id() == 6);
    CHECK(f.stats().found_unhealthy == 2);
    CHECK(f.stats().idle == 3);
    f.check_sums(1);
}

TEST_CASE_TEMPLATE("async check: a connection that says after it that it is dead is not lent [C6, C20]", Pool,
    later_idle, later_open) {
    check_fixture<Pool> f;
    f.put("a");
    auto got = f.ask("a");
    f.far(1).dead = true;
    f.answer(true);
    CHECK(got->lease->id() == 2);
    CHECK(f.stats().found_unhealthy == 1);
    f.check_sums(1);
}

TEST_CASE_TEMPLATE(
    "async check: one that was idle for less than check_after is not checked [C20]", Pool, later_idle, later_open) {
    check_fixture<Pool> f{pool::pool_settings{.check_after = 5s}};
    f.put("a");
    f.clock.advance(5s - tick);
    f.ask("a")->lease.give_back();
    CHECK(f.history(1) == "dialled for a, reset");
    f.clock.advance(5s);
    auto got = f.ask("a");
    CHECK(f.begun.running() == 1);
    f.answer(true);
    CHECK(got->lease->id() == 1);
    f.check_sums(2);
}

TEST_CASE("async check: at the bound, a caller closes the unhealthy one, and keeps its turn [C20]") {
    check_fixture<later_open> f{pool::pool_settings{}, pool::bounded_open{.max_open = 1, .patience = 0ns}};
    f.put("a");
    auto got = f.ask("a");
    auto waits = f.ask("b");
    CHECK(f.stats().waiting == 1);
    f.answer(false);
    CHECK(got->lease->id() == 2);
    CHECK_FALSE(waits->done);
    got->lease.give_back();
    f.run();
    CHECK(waits->lease->far().key == "b");
    f.check_sums(2);
}

TEST_CASE("async check: a connection that was handed over is checked, too [C20]") {
    check_fixture<later_open> f{pool::pool_settings{}, pool::bounded_open{.max_open = 1, .patience = 0ns}};
    auto lent = f.acquire();
    auto got = f.ask("a");
    lent.give_back();
    f.run();
    CHECK(f.begun.running() == 1);
    f.answer(false);
    CHECK(got->lease->id() == 2);
    CHECK(f.far(1).closes == 1);
    f.check_sums(2);
}

TEST_CASE("async check: a caller that dials takes no connection that would have to be checked") {
    check_fixture<later_open> f{pool::pool_settings{}, pool::bounded_open{.max_open = 2}};
    auto lent = f.acquire();
    std::function<void()> end_dial;
    auto got = std::make_shared<outcome<later_open>>();
    const auto slow = [&](const std::string& key, auto handler) {
        end_dial = [&f, key, handler]() mutable { handler(error_code{}, later::connection{f.dials(key)}); };
    };
    pool::asio::async_acquire(*f.conns, "a", slow, f.handler(got));
    f.run();
    lent.give_back();
    f.run();
    CHECK_FALSE(got->done);
    CHECK(f.stats().idle == 1);
    end_dial();
    f.run();
    CHECK(got->lease->id() == 2);
    f.check_sums(2);
}

TEST_CASE_TEMPLATE(
    "async check: blocking callers have the blocking form [C20]", Pool, later_idle, later_open, later_shards) {
    check_fixture<Pool> f;
    f.put("a", 3);
    f.far(1).on_check = [] { return false; };
    CHECK(f.acquire()->id() == 2);
    CHECK(f.conns->try_acquire("a")->id() == 3);
    CHECK(f.begun.running() == 0);
    f.check_sums(2);
}

TEST_CASE_TEMPLATE("async check: with the asynchronous forms alone, asynchronous callers have all of them [C20 to C22]",
    Pool, async_idle, async_open) {
    check_fixture<Pool> f{pool::pool_settings{.keep_alive_every = 10s}};
    f.put("a");
    f.clock.advance(10s);
    f.conns->upkeep();
    auto got = f.ask("a");
    f.answer(true);
    got->lease.give_back();
    CHECK(f.history(1) == "dialled for a, kept alive, checked, reset");
    CHECK(f.conns->acquire_fresh("a", f.dial())->id() == 2);  // which checks nothing
    f.check_sums(Pool::bounds_open ? 3 : 2);                  // with a hit for what was closed for its permit
}
