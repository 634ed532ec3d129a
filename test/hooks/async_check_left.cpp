// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/version.hpp>
#include <doctest/doctest.h>

#include <pool/inspect.hpp>

#include <support/later_checks.hpp>
#include <support/posting_executor.hpp>

#if BOOST_VERSION >= 107700
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#endif

// A caller whose connection is being checked gives up, or is refused. The check then goes on alone.

using namespace later;

namespace {

/// The check ends for which nobody waits any more.
template <class Fixture>
void end_alone(Fixture& f, bool is_healthy) {
    CHECK(f.stats().lent == 1);
    CHECK(f.stats().checking == 1);
    f.answer(is_healthy);
    CHECK(f.stats().lent == 0);
    CHECK(f.stats().idle == is_healthy);
    CHECK(f.far(1).closes == !is_healthy);
    CHECK(f.stats().found_unhealthy == !is_healthy);
    CHECK(f.dials.dials() == 1);
    f.check_sums(1);
}

}  // namespace

TEST_CASE_TEMPLATE("async check: its caller's deadline ends the call at once, and the check goes on alone [C20]", Pool,
    later_idle, later_open) {
    for (const bool is_healthy : {true, false}) {
        check_fixture<Pool> f;
        f.put("a");
        auto got = f.ask("a", 5s);
        f.clock.advance(5s - tick);
        f.conns->upkeep();
        f.run();
        CHECK_FALSE(got->done);
        f.clock.advance(tick);
        f.conns->upkeep();
        f.run();
        CHECK(got->error == errc::acquire_timeout);
        CHECK_FALSE(got->lease);
        end_alone(f, is_healthy);
    }
}

TEST_CASE_TEMPLATE(
    "async check: an answer that comes after the deadline comes too late", Pool, later_idle, later_open) {
    for (const bool is_healthy : {true, false}) {
        check_fixture<Pool> f{pool::pool_settings{.trace_leases = true}};
        f.put("a");
        auto got = f.ask("a", 5s);
        f.clock.advance(5s);
        end_alone(f, is_healthy);
        CHECK(got->error == errc::acquire_timeout);
        if (is_healthy) CHECK(pool::inspect(*f.conns).begin()->idle_for == 0s);  // its peer has heard of it
    }
}

TEST_CASE_TEMPLATE(
    "async check: a caller that is late before its first turn checks nothing", Pool, later_idle, later_open) {
    check_fixture<Pool> f;
    f.put("a");
    auto got = std::make_shared<outcome<Pool>>();
    pool::asio::async_acquire(*f.conns, "a", f.async_dial(), 5s, f.handler(got));
    f.clock.advance(5s);
    f.run();
    CHECK(got->error == errc::acquire_timeout);
    CHECK(f.begun.running() == 0);
    CHECK(f.stats().idle == 1);
    f.check_sums(1);
}

TEST_CASE_TEMPLATE("async check: a connection whose caller has left before its check is as old as before [C7, C20]",
    Pool, later_idle, later_open) {
    using time_point = pool::manual_clock::time_point;
    for (const bool is_dropped : {true, false}) {
        check_fixture<Pool> f{pool::pool_settings{.check_after = 25s, .trace_leases = true}, capacity_of<Pool>{}, 50s};
        f.put("a");
        f.clock.advance(30s);
        auto got = std::make_shared<outcome<Pool>>();
        if (is_dropped) {
            net::io_context loop;
            const auto drop = net::bind_executor(loop, [](error_code, auto) { FAIL("called"); });
            pool::asio::async_acquire(*f.conns, "a", f.async_dial(), drop);
        } else {
            pool::asio::async_acquire(*f.conns, "a", f.async_dial(), 5s, f.handler(got));
            CHECK(f.conns->next_expiry() == time_point{50s});  // it may come back unused
            f.clock.advance(5s);
            f.run();
            CHECK(got->error == errc::acquire_timeout);
        }
        CHECK(f.stats().idle == 1);
        CHECK(f.conns->next_expiry() == time_point{50s});
        CHECK(pool::inspect(*f.conns).begin()->idle_for == (is_dropped ? 30s : 35s));

        auto next = f.ask("a", 1s);
        CHECK(f.begun.running() == 1);  // it has been idle for long, and is checked
        f.clock.advance(1s);
        f.answer(true);
        CHECK(next->error == errc::acquire_timeout);
        f.ask("a")->lease.give_back();  // that check has passed, although its caller had left
        CHECK(f.begun.running() == 0);
        f.check_sums(3);
    }
}

TEST_CASE_TEMPLATE("async check: one whose caller has left before its check is closed if it has expired [C7, C20]", Pool,
    later_idle, later_open) {
    using time_point = pool::manual_clock::time_point;
    check_fixture<Pool> f{pool::pool_settings{}, capacity_of<Pool>{}, 50s};
    f.put("a");
    f.clock.advance(49s);
    auto got = std::make_shared<outcome<Pool>>();
    pool::asio::async_acquire(*f.conns, "a", f.async_dial(), 1s, f.handler(got));
    f.clock.advance(1s);
    CHECK(f.conns->next_expiry() == time_point{100s});  // it will not be idle
    f.run();
    CHECK(got->error == errc::acquire_timeout);
    CHECK(f.stats().idle == 0);
    CHECK(f.stats().expired == 1);
    CHECK(f.far(1).closes == 1);
    f.check_sums(1);
}

TEST_CASE_TEMPLATE("async check: one whose caller has left before its check is kept alive when it was due [C22]", Pool,
    later_idle, later_open) {
    check_fixture<Pool> f{pool::pool_settings{.keep_alive_every = 40s}};
    f.put("a");
    f.far(1).on_async_keep_alive = [](hook_done done) { done(true); };
    f.clock.advance(35s);
    auto got = std::make_shared<outcome<Pool>>();
    pool::asio::async_acquire(*f.conns, "a", f.async_dial(), 5s, f.handler(got));
    f.clock.advance(5s);
    f.run();
    CHECK(got->error == errc::acquire_timeout);
    f.conns->upkeep();
    CHECK(f.stats().kept_alive == 1);
    f.check_sums(1);
}

TEST_CASE_TEMPLATE("async check: with real time, a timer ends the call", Capacity, pool::bounded, pool::bounded_open) {
    using pool_type = pool::basic_pool<std::string, later::connection, Capacity, pool::after_idle>;
    for (const bool is_healthy : {true, false}) {
        pool::testing::fake_dialer dials;
        held_hooks begun;
        net::io_context loop;
        pool_type conns{Capacity{}, 1'000s};
        conns.put("a", dials("a"));
        dials[1].on_async_check = begun.later();
        const auto dial = [](const std::string&, auto handler) {
            std::move(handler)(error_code{net::error::connection_refused});
        };
        while (begun.running() == 0) {  // on a busy machine, the time is over before the check has begun
            error_code seen;
            pool::asio::async_acquire(
                conns, "a", dial, 1ms, net::bind_executor(loop, [&](error_code error, auto) { seen = error; }));
            loop.run();  // until its handler has been called: the check alone is no work of the loop
            loop.restart();
            CHECK(seen == errc::acquire_timeout);
        }
        begun.take()(is_healthy);
        CHECK(conns.stats().idle == is_healthy);
        CHECK(dials[1].closes == !is_healthy);
    }
}

TEST_CASE_TEMPLATE("async check: the timer still ends the call after an unhealthy one, while it dials", Capacity,
    pool::bounded, pool::bounded_open) {
    using pool_type = pool::basic_pool<std::string, later::connection, Capacity, pool::after_idle>;
    pool::testing::fake_dialer dials;
    net::io_context loop;
    pool_type conns{Capacity{}, 1'000s};
    conns.put("a", dials("a"));
    dials[1].on_async_check = [](hook_done done) { done(false); };
    std::function<void()> end_dial;
    const auto slow = [&](const std::string&, auto handler) {
        end_dial = [&dials, handler]() mutable { handler(error_code{}, later::connection{dials("a")}); };
    };
    int calls = 0;
    while (end_dial == nullptr) {  // on a busy machine, the time is over before the dial has begun
        error_code seen;
        calls = 0;
        pool::asio::async_acquire(conns, "a", slow, 1ms, net::bind_executor(loop, [&](error_code error, auto) {
            seen = error;
            ++calls;
        }));
        loop.restart();
        while (calls == 0) REQUIRE(loop.run_one() == 1);
        CHECK(seen == errc::acquire_timeout);
    }
    end_dial();
    end_dial = nullptr;
    loop.run();
    CHECK(calls == 1);
    CHECK(conns.stats().idle == 1);
    conns.upkeep();
    CHECK(dials[1].closes == 1);
}

#if BOOST_VERSION >= 107700
TEST_CASE_TEMPLATE(
    "async check: a cancel ends the call at once, and the check goes on alone [C20]", Pool, later_idle, later_open) {
    for (const bool is_healthy : {true, false}) {
        check_fixture<Pool> f;
        f.put("a");
        net::cancellation_signal signal;
        auto got = std::make_shared<outcome<Pool>>();
        pool::asio::async_acquire(
            *f.conns, "a", f.async_dial(), net::bind_cancellation_slot(signal.slot(), f.handler(got)));
        f.run();
        signal.emit(net::cancellation_type::terminal);
        f.run();
        CHECK(got->error == net::error::operation_aborted);
        end_alone(f, is_healthy);
    }
}

TEST_CASE_TEMPLATE("async check: a caller that is cancelled before its first turn, or after the answer, gets nothing",
    Pool, later_idle, later_open) {
    for (const bool is_answered : {true, false}) {
        check_fixture<Pool> f;
        f.put("a");
        net::cancellation_signal signal;
        auto got = std::make_shared<outcome<Pool>>();
        pool::asio::async_acquire(
            *f.conns, "a", f.async_dial(), net::bind_cancellation_slot(signal.slot(), f.handler(got)));
        if (is_answered) {
            f.run();
            f.begun.take()(true);
        }
        signal.emit(net::cancellation_type::terminal);
        f.run();
        CHECK(got->error == net::error::operation_aborted);
        CHECK(f.begun.running() == 0);
        CHECK(f.stats().idle == 1);
        f.check_sums(1);
    }
}
#endif

TEST_CASE_TEMPLATE("async check: if the pool is closed, or ends, its caller is refused at once [C11, C20]", Pool,
    later_idle, later_open, later_shards) {
    for (const bool is_healthy : {true, false}) {
        for (const bool ends : {true, false}) {
            check_fixture<Pool> f;
            f.put("a", 2);
            auto got = f.ask("a");
            if (ends) f.conns.reset();
            else f.conns->close();
            CHECK_FALSE(got->done);
            f.run();
            CHECK(got->error == errc::pool_closed);
            CHECK(f.far(1).closes == 0);
            CHECK(f.far(2).closes == 1);
            f.answer(is_healthy);
            CHECK(f.far(1).closes == 1);
            if (!f.conns) continue;
            CHECK(f.stats().refused == is_healthy);
            CHECK(f.stats().found_unhealthy == !is_healthy);
            f.check_sums(1);
        }
    }
}

TEST_CASE_TEMPLATE(
    "async check: a caller that was lent a connection of a pool that is then closed checks nothing [C11]", Pool,
    later_idle, later_open) {
    check_fixture<Pool> f;
    f.put("a");
    auto got = std::make_shared<outcome<Pool>>();
    pool::asio::async_acquire(*f.conns, "a", f.async_dial(), f.handler(got));
    f.conns->close();
    f.run();
    CHECK(got->error == errc::pool_closed);
    CHECK(f.history(1) == "dialled for a, closed");
    f.check_sums(1);
}

TEST_CASE_TEMPLATE(
    "async check: a pool that is closed in the start of a check refuses its caller", Pool, later_idle, later_open) {
    for (const bool ends : {true, false}) {
        check_fixture<Pool> f;
        f.put("a");
        f.far(1).on_async_check = [&](hook_done done) {
            if (ends) f.conns.reset();
            else f.conns->close();
            done(true);
        };
        auto got = f.ask("a");
        CHECK(got->error == errc::pool_closed);
        CHECK(f.far(1).closes == 1);
    }
}

TEST_CASE_TEMPLATE("async check: an executor that drops its turns gives the connection back, or closes it [C1]", Pool,
    later_idle, later_open) {
    for (const bool is_healthy : {true, false}) {
        check_fixture<Pool> f;
        f.put("a");
        {
            net::io_context loop;
            const auto drop = net::bind_executor(loop, [](error_code, auto) { FAIL("called"); });
            pool::asio::async_acquire(*f.conns, "a", f.async_dial(), drop);
            loop.poll();
            f.begun.take()(is_healthy);
            CHECK(f.stats().checking == 1);
        }
        CHECK(f.stats().lent == 0);
        CHECK(f.stats().idle == is_healthy);
        CHECK(f.far(1).closes == !is_healthy);
        f.check_sums(1);
    }
}

TEST_CASE("async check: at the bound, the permit of a check that goes on alone goes to the next caller [C20]") {
    for (const bool is_healthy : {true, false}) {
        check_fixture<later_open> f{pool::pool_settings{}, pool::bounded_open{.max_open = 1, .patience = 0ns}};
        f.put("a");
        auto late = f.ask("a", 5s);
        auto waits = f.ask("a");
        f.clock.advance(5s);
        f.conns->upkeep();
        f.run();
        CHECK(late->error == errc::acquire_timeout);
        CHECK_FALSE(waits->done);
        f.answer(is_healthy);
        if (is_healthy) f.answer(true);  // the next caller checks it, too
        CHECK(waits->lease->id() == (is_healthy ? 1 : 2));
        f.check_sums(2);
    }
}

TEST_CASE_TEMPLATE("async check: a caller that there is no memory to tell is told by the next upkeep, or by the close",
    Pool, later_idle, later_open) {
    for (const bool is_late : {true, false}) {
        for (const bool closes : {true, false}) {
            check_fixture<Pool> f;
            f.put("a");
            bool has_memory = true;
            auto got = std::make_shared<outcome<Pool>>();
            const posting_executor executor{f.loop.get_executor(), while_there_is_memory{&has_memory}};
            pool::asio::async_acquire(
                *f.conns, "a", f.async_dial(), 5s, net::bind_executor(executor, f.handler(got).get()));
            f.run();
            has_memory = false;
            if (is_late) {
                f.clock.advance(5s);
                f.conns->upkeep();
            }
            f.answer(true);
            CHECK_FALSE(got->done);
            has_memory = true;
            if (closes) f.conns->close();
            else f.conns->upkeep();
            f.run();
            CHECK(got->done);
            CHECK(static_cast<bool>(got->lease) == !is_late);
            if (is_late) CHECK(got->error == errc::acquire_timeout);
            got->lease.give_back();
            f.check_sums(1);
        }
    }
}
