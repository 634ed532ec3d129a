// SPDX-License-Identifier: BSL-1.0
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/version.hpp>
#include <doctest/doctest.h>

#include <pool/asio.hpp>

#if BOOST_VERSION >= 107700
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#endif

#include <support/asking_fixture.hpp>

// The hooks of connections that asynchronous callers are lent. They run on the callers' executor, and block it.

using namespace tended;

namespace {

template <class Pool>
using async_fixture = asking_fixture<fixture, Pool>;

}  // namespace

TEST_CASE_TEMPLATE("asio, hooks: a connection is checked in the caller's turn, and reset when it is given back [C20]",
    Pool, idle_pool, open_pool) {
    async_fixture<Pool> f;
    f.put("a");
    f.far(1).on_check = [&] {
        CHECK(f.stats().lent == 1);
        CHECK(f.stats().checking == 1);
        return true;
    };
    auto got = f.start("a");
    CHECK(f.history(1) == "dialled for a");
    CHECK(f.stats().hits == 0);
    f.run();
    CHECK(got->lease->id() == 1);
    CHECK(got->lease.reused());
    CHECK(f.stats().hits == 1);
    got->lease.give_back();
    CHECK(f.history(1) == "dialled for a, checked, reset");
    f.check_sums(1);
}

TEST_CASE_TEMPLATE("asio, hooks: after an unhealthy one the next is tried, and after two the caller dials [C20]", Pool,
    idle_pool, open_pool) {
    async_fixture<Pool> f;
    f.put("a", 4);
    for (int id : {1, 3, 4}) f.far(id).on_check = [] { return false; };
    auto got = f.start("a");
    f.run();
    CHECK(got->lease->id() == 2);
    auto other = f.start("a");
    f.run();
    CHECK(other->lease->id() == 5);
    CHECK_FALSE(other->lease.reused());
    CHECK(f.stats().found_unhealthy == 3);
    f.conns->upkeep();
    for (int id : {1, 3, 4}) CHECK(f.far(id).closes == 1);
    f.check_sums(2);
}

TEST_CASE_TEMPLATE(
    "asio, hooks: a caller checks two and no more, however many are idle [C20]", Pool, idle_pool, open_pool) {
    async_fixture<Pool> f;
    f.dials.prepare([](far_end& far) { far.on_check = []() -> bool { throw 1; }; });
    f.put("a", 5);
    auto got = f.start("a");
    f.run();
    CHECK(got->lease->id() == 6);
    CHECK(f.stats().found_unhealthy == 2);
    CHECK(f.stats().idle == 3);
    f.check_sums(1);
}

TEST_CASE("asio, hooks: at the bound, a caller closes the unhealthy one, and keeps its turn [C20]") {
    async_fixture<open_pool> f{{}, {.max_open = 1, .patience = 0ns}};
    f.put("a");
    f.far(1).on_check = [] { return false; };
    auto got = f.start("a");
    auto waits = f.start("b");
    f.run();
    CHECK(got->lease->id() == 2);
    CHECK_FALSE(waits->done);
    got->lease.give_back();
    f.run();
    CHECK(waits->lease->far().key == "b");
    f.check_sums(2);
}

TEST_CASE("asio, hooks: a connection that was handed over is checked, too [C20]") {
    async_fixture<open_pool> f{{}, {.max_open = 1, .patience = 0ns}};
    auto lent = f.acquire();
    auto got = f.start("a");
    f.run();
    f.far(1).on_check = [] { return false; };
    lent.give_back();
    f.run();
    CHECK(got->lease->id() == 2);
    CHECK(f.far(1).closes == 1);
    f.check_sums(2);
}

TEST_CASE(
    "asio, hooks: while a connection is kept alive, the caller that was told to take it gets a free permit [C22]") {
    async_fixture<open_pool> f{{.keep_alive_every = 10s}, {.max_open = 2, .patience = 1h}};
    auto lent = f.acquire();
    auto other = f.acquire("b");
    auto waits = f.start("a");
    lent.give_back();  // the caller is told to look, and does not yet
    other.discard();
    CHECK(f.stats().waiting == 1);
    CHECK(f.stats().dialing == 0);
    f.far(1).on_keep_alive = [&] {
        CHECK(f.stats().waiting == 0);
        CHECK(f.stats().dialing == 1);
        f.run();
        CHECK(waits->lease->id() == 3);
    };
    f.clock.advance(10s);
    f.conns->upkeep();
    CHECK(f.stats().kept_alive == 1);
    CHECK(f.stats().idle == 1);
    f.check_sums(3);
}

TEST_CASE("asio, hooks: a caller that dials takes no connection that would have to be checked") {
    async_fixture<open_pool> f{{}, {.max_open = 2}};
    auto lent = f.acquire();
    std::function<void()> end_dial;
    auto got = std::make_shared<outcome<open_pool>>();
    const auto slow = [&](const std::string& key, auto handler) {
        end_dial = [&f, key, handler]() mutable { handler(error_code{}, tended_connection{f.dials(key)}); };
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

TEST_CASE_TEMPLATE("asio, hooks: a caller that dials may give up, and is refused when the pool is closed [C11]", Pool,
    idle_pool, open_pool) {
    for (const bool is_late : {true, false}) {
        async_fixture<Pool> f;
        std::function<void()> end_dial;
        auto got = std::make_shared<outcome<Pool>>();
        const auto slow = [&](const std::string& key, auto handler) {
            end_dial = [&f, key, handler]() mutable { handler(error_code{}, tended_connection{f.dials(key)}); };
        };
        pool::asio::async_acquire(*f.conns, "a", slow, 5s, f.handler(got));
        f.run();
        f.clock.advance(5s);
        if (is_late) f.conns->upkeep();
        else f.conns->close();
        f.run();
        CHECK(got->done);
        CHECK(got->error == (is_late ? errc::acquire_timeout : errc::pool_closed));
        end_dial();
        CHECK(f.stats().idle == is_late);
        f.check_sums(1);
    }
}

TEST_CASE_TEMPLATE(
    "asio, hooks: a caller whose deadline passes during the check gets nothing", Pool, idle_pool, open_pool) {
    for (const bool passes : {true, false}) {
        async_fixture<Pool> f;
        f.put("a");
        f.far(1).on_check = [&] {
            f.clock.advance(5s);
            return passes;
        };
        auto got = f.start("a", 5s);
        f.run();
        CHECK(got->error == errc::acquire_timeout);
        CHECK_FALSE(got->lease);
        CHECK(f.dials.dials() == 1);
        CHECK(f.stats().idle == passes);
        CHECK(f.stats().lent == 0);
        CHECK(f.stats().found_unhealthy == !passes);
        f.check_sums(1);
    }
}

#if BOOST_VERSION >= 107700
TEST_CASE_TEMPLATE(
    "asio, hooks: a caller that is cancelled during the check gets nothing", Pool, idle_pool, open_pool) {
    for (const bool passes : {true, false}) {
        async_fixture<Pool> f;
        f.put("a");
        net::cancellation_signal signal;
        f.far(1).on_check = [&] {
            signal.emit(net::cancellation_type::terminal);
            return passes;
        };
        auto got = std::make_shared<outcome<Pool>>();
        pool::asio::async_acquire(
            *f.conns, "a", f.async_dial(), net::bind_cancellation_slot(signal.slot(), f.handler(got)));
        f.run();
        CHECK(got->error == net::error::operation_aborted);
        CHECK(f.dials.dials() == 1);
        CHECK(f.stats().idle == passes);
        CHECK(f.stats().lent == 0);
    }
}
#endif

TEST_CASE_TEMPLATE("asio, hooks: a pool that is closed, or ends, in a check refuses a caller whose check fails [C11]",
    Pool, idle_pool, open_pool) {
    for (const bool passes : {true, false}) {
        for (const bool ends : {true, false}) {
            async_fixture<Pool> f;
            f.put("a", 3);
            f.far(1).on_check = [&] {
                if (ends) f.conns.reset();
                else f.conns->close();
                return passes;
            };
            auto got = f.start("a");
            f.run();
            CHECK(got->done);
            CHECK(static_cast<bool>(got->lease) == passes);
            if (!passes) CHECK(got->error == errc::pool_closed);
            got->lease.give_back();
            CHECK(f.dials.open() == 0);
            if (f.conns) CHECK(f.stats().closing == 0);
        }
    }
}

TEST_CASE_TEMPLATE(
    "asio, hooks: an executor that drops its handlers gives an unchecked connection back", Pool, idle_pool, open_pool) {
    async_fixture<Pool> f;
    f.put("a");
    {
        net::io_context loop;
        const auto drop = net::bind_executor(loop, [](error_code, auto) { FAIL("called"); });
        pool::asio::async_acquire(*f.conns, "a", f.async_dial(), drop);
        CHECK(f.stats().checking == 1);
    }
    CHECK(f.history(1) == "dialled for a");
    CHECK(f.stats().idle == 1);
    f.check_sums(1);
}
