// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/version.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/asio/async_invoke.hpp>
#include <pool/error.hpp>
#include <pool/stats.hpp>

#if BOOST_VERSION >= 107700
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#endif

#include <support/async_calls.hpp>
#include <support/figures.hpp>
#include <support/ids.hpp>
#include <support/later_checks.hpp>
#include <support/strict.hpp>

// Asynchronous callers of a pool that is paused.

using namespace std::chrono_literals;
using namespace async_calls;
using fake::ids;
using pool::wait_for_resume;
using pool::asio::async_acquire;

TEST_CASE("asio, pause: a caller of a paused pool fails, and its dial is not called [C26]") {
    with_each_kind([](auto& f) {
        f.conns->put("a", f.far.dial());
        f.conns->pause();
        for (const char* key : {"a", "b"}) {
            auto got = f.ask(key);
            CHECK_FALSE(got->done);
            f.run();
            CHECK(got->error == pool::asio::errc::pool_paused);
            CHECK(got->error.message() == "the pool is paused");
            CHECK_FALSE(got->lease);
        }
        auto got = f.ask_for_exceptions("a", f.dialer(), 1s);
        f.run();
        CHECK(text(got->exception)
                  .starts_with("pool \"peers\": no connection for key \"a\": the pool is paused (1 open, "));
        CHECK(f.far.dials() == 1);
        figures::check_exact(f.conns->stats(), 3);

        f.conns->resume();
        auto after = f.ask("a");
        f.run();
        CHECK(after->lease->id() == 1);
    });
}

#ifdef BOOST_ASIO_HAS_CO_AWAIT
TEST_CASE("asio, pause: a call of a paused pool fails [C26]") {
    with_each_kind([](auto& f) {
        f.conns->pause();
        std::exception_ptr of_call;
        pool::asio::async_invoke(*f.conns, "a", f.dialer(), &fake::connection::id,
            net::bind_executor(f.loop, [&](std::exception_ptr error, int) { of_call = std::move(error); }));
        f.run();
        CHECK_THROWS_AS(std::rethrow_exception(of_call), pool::pool_paused);
        CHECK(f.far.dials() == 0);
        figures::check_exact(f.conns->stats(), 1);
    });
}
#endif

TEST_CASE("asio, pause: a caller that has got a connection at once keeps it [C26]") {
    with_each_kind([](auto& f) {
        f.conns->put("a", f.far.dial());
        auto got = f.ask("a");
        f.conns->pause();
        f.run();
        CHECK(got->lease->id() == 1);
        got->lease.give_back();
        CHECK(f.conns->stats().idle == 1);
    });
}

TEST_CASE("asio, pause: a caller that has not begun to dial fails [C26]") {
    with_each_kind([](auto& f) {
        auto got = f.ask("a");
        f.conns->pause();
        f.run();
        CHECK(got->error == pool::asio::errc::pool_paused);
        CHECK(f.far.dials() == 0);
        CHECK(f.conns->stats().dialing == 0);
        CHECK(f.conns->stats().keys == 0);
        f.conns->resume();
        auto next = f.ask("a");
        f.run();
        CHECK(next->lease->id() == 1);
        figures::check_exact(f.conns->stats(), 2);
    });
}

TEST_CASE("asio, pause: a dial that has begun is for its caller, which is lent nothing else before resume [C26]") {
    with_each_kind([](auto& f) {
        auto got = f.ask("a", f.slow());
        f.run();
        f.conns->pause();
        f.conns->put("a", f.far.dial());
        f.run();
        CHECK_FALSE(got->done);
        CHECK(f.conns->stats().idle == 1);
        SUBCASE("it succeeds") {
            f.dial_succeeded();
            f.run();
            CHECK(got->lease->id() == 2);
        }
        SUBCASE("it fails") {
            f.dial_failed(0, net::error::connection_refused);
            f.run();
            CHECK(got->error == net::error::connection_refused);
        }
        SUBCASE("the pool is closed") {
            f.conns->close();
            f.run();
            CHECK(got->error == pool::asio::errc::pool_closed);
            f.dial_succeeded();
            CHECK(f.far.open() == 0);
        }
    });
}

TEST_CASE("asio, pause: a caller that has given up leaves its connection to the paused pool [C26]") {
    with_each_kind([](auto& f) {
        auto got = f.ask("a", f.slow(), 1s);
        f.run();
        f.conns->pause();
        f.clock.advance(1s);
        f.conns->upkeep();
        f.run();
        CHECK(got->error == pool::asio::errc::acquire_timeout);
        f.dial_succeeded();
        CHECK(f.conns->stats().idle == 1);
        CHECK(f.conns->stats().dialing == 0);
    });
}

TEST_CASE("asio, pause: a caller whose dial was outdated dials no other in a pause [C24, C26]") {
    with_each_kind([](auto& f) {
        auto got = f.ask("a", f.slow());
        f.run();
        f.conns->invalidate();
        SUBCASE("the pause comes first") {
            f.conns->pause();
            f.dial_succeeded();
        }
        SUBCASE("the end of the dial comes first") {
            f.dial_succeeded();
            f.conns->pause();
        }
        f.run();
        CHECK(got->error == pool::asio::errc::pool_paused);
        CHECK(f.far.closed() == ids{1});
        CHECK(f.dials.size() == 1);
        CHECK(f.conns->stats().outdated_dials == 1);
        CHECK(f.conns->stats().keys == 0);
        figures::check_exact(f.conns->stats(), 1);
    });
}

TEST_CASE("asio, pause: callers that wait fail [C26]") {
    timed_fixture<open_pool> f{strict({.max_open = 1})};
    auto lent = f.ask("a");
    f.run();
    std::vector<std::shared_ptr<result<open_pool>>> all;
    for (int i = 0; i < 300; ++i) all.push_back(f.ask(i % 2 == 0 ? "a" : "b"));
    f.run();
    f.conns->pause();
    CHECK(f.conns->stats().waiting == 0);
    f.run();
    for (const auto& each : all) CHECK(each->error == pool::asio::errc::pool_paused);
    lent->lease.give_back();
    CHECK(f.conns->stats().idle == 1);
}

TEST_CASE("asio, pause: callers wait for resume, and are then served in their old order [C26]") {
    timed_fixture<open_pool> f{strict({.max_open = 1})};
    auto lent = f.ask("a");
    f.run();
    auto first = f.ask("a");
    f.run();
    f.conns->pause(wait_for_resume);
    auto second = f.ask("a");
    f.run();
    lent->lease.give_back();
    f.run();
    CHECK_FALSE(first->done);
    CHECK_FALSE(second->done);
    CHECK(f.conns->stats().waiting == 2);
    f.conns->resume();
    f.run();
    CHECK(first->lease->id() == 1);
    CHECK_FALSE(second->done);
    first->lease.give_back();
    f.run();
    CHECK(second->lease->id() == 1);
    CHECK(f.far.dials() == 1);
}

TEST_CASE("asio, pause: a caller that has not begun to dial gives its permit back, and keeps its place [C26]") {
    timed_fixture<open_pool> f{strict({.max_open = 1})};
    auto first = f.ask("a", f.slow());
    f.conns->pause(wait_for_resume);
    auto second = f.ask("b");
    f.run();
    CHECK(f.dials.empty());
    CHECK(f.conns->stats().dialing == 0);
    CHECK(f.conns->stats().waiting == 2);
    f.conns->resume();
    f.run();
    CHECK(f.dials.size() == 1);
    CHECK_FALSE(second->done);
    f.dial_succeeded();
    f.run();
    CHECK(first->lease->id() == 1);
}

TEST_CASE("asio, pause: a caller whose dial was outdated waits for resume, at its place, and dials again [C24, C26]") {
    timed_fixture<open_pool> f{strict({.max_open = 1})};
    auto first = f.ask("a", f.slow());
    f.run();
    auto second = f.ask("a");
    f.run();
    f.conns->pause(wait_for_resume);
    f.conns->invalidate();
    f.dial_succeeded();
    f.run();
    CHECK(f.far.closed() == ids{1});
    CHECK(f.conns->stats().waiting == 2);
    f.conns->resume();
    f.run();
    CHECK(f.dials.size() == 2);
    CHECK_FALSE(second->done);
    f.dial_succeeded(1);
    f.run();
    CHECK(first->lease->id() == 2);
}

TEST_CASE("asio, pause: a caller that dials may take what is idle at resume [C26]") {
    timed_fixture<open_pool> f{strict({.max_open = 2})};
    auto got = f.ask("a", f.slow());
    f.run();
    f.conns->pause(wait_for_resume);
    f.conns->put("a", f.far.dial());
    f.run();
    CHECK_FALSE(got->done);
    f.conns->resume();
    f.run();
    CHECK(got->lease->id() == 1);
    f.dial_succeeded();
    CHECK(f.conns->stats().idle == 1);
}

TEST_CASE("asio, pause: a nudged caller is nudged again after a pause [C26]") {
    timed_fixture<open_pool> f{pool::bounded_open{.max_open = 1, .patience = 1s}};
    auto lent = f.ask("a");
    f.run();
    auto got = f.ask("a");
    f.run();
    lent->lease.give_back();
    f.conns->pause(wait_for_resume);
    f.run();
    CHECK_FALSE(got->done);
    f.conns->resume();
    f.run();
    CHECK(got->lease->id() == 1);
}

TEST_CASE("asio, pause: a caller closes a connection for its permit in a pause, and dials after it [C26]") {
    timed_fixture<open_pool> f{strict({.max_open = 1})};
    f.conns->put("a", f.far.dial());
    auto got = f.ask("b");
    f.conns->pause(wait_for_resume);
    f.run();
    f.conns->upkeep();
    f.run();
    CHECK(f.far.closed() == ids{1});
    CHECK(f.far.dials() == 1);
    CHECK(f.conns->stats().waiting == 1);
    CHECK(f.conns->stats().dialing == 0);
    f.conns->resume();
    f.run();
    CHECK(got->lease->id() == 2);
}

TEST_CASE("asio, pause: the wait for resume ends as any other [C11, C26]") {
    timed_fixture<open_pool> f{strict({.max_open = 1, .max_waiting = 1})};
    f.conns->pause(wait_for_resume);
    auto got = f.ask("a", f.dialer(), 1s);
    auto one_too_many = f.ask("a");
    f.run();
    CHECK(one_too_many->error == pool::asio::errc::queue_full);
    CHECK_FALSE(got->done);
    SUBCASE("at its deadline") {
        f.clock.advance(1s);
        f.conns->upkeep();
        f.run();
        CHECK(got->error == pool::asio::errc::acquire_timeout);
    }
    SUBCASE("by a close") {
        f.conns->close();
        f.run();
        CHECK(got->error == pool::asio::errc::pool_closed);
    }
    SUBCASE("by the end of the pool") {
        f.conns.reset();
        f.run();
        CHECK(got->error == pool::asio::errc::pool_closed);
        return;
    }
    SUBCASE("by a pause that lets nobody wait") {
        f.conns->pause();
        f.run();
        CHECK(got->error == pool::asio::errc::pool_paused);
    }
    SUBCASE("by an invalidate") {
        f.conns->invalidate({.fail_waiting = true});
        f.run();
        CHECK(got->error == pool::asio::errc::acquire_invalidated);
    }
    CHECK(f.conns->stats().waiting == 0);
    CHECK(f.far.dials() == 0);
}

#if BOOST_VERSION >= 107700
TEST_CASE("asio, pause: a caller that is cancelled leaves the queue of a paused pool [C26]") {
    for (const bool has_looked : {true, false}) {
        timed_fixture<open_pool> f{strict({.max_open = 1})};
        net::cancellation_signal signal;
        auto got = std::make_shared<result<open_pool>>();
        async_acquire(*f.conns, "a", f.dialer(), net::bind_cancellation_slot(signal.slot(), f.handler(got)));
        f.conns->pause(wait_for_resume);
        if (has_looked) f.run();
        signal.emit(net::cancellation_type::terminal);
        f.run();
        CHECK(got->error == net::error::operation_aborted);
        CHECK(f.conns->stats().waiting == 0);
        CHECK(f.conns->stats().dialing == 0);
    }
}
#endif

TEST_CASE("asio, pause: an executor that is destroyed leaves the queue of a paused pool [C26]") {
    timed_fixture<open_pool> f{strict({.max_open = 1})};
    {
        net::io_context loop;
        const auto drop = net::bind_executor(loop, [](error_code, auto) { FAIL("called"); });
        async_acquire(*f.conns, "a", f.dialer(), drop);
        f.conns->pause(wait_for_resume);
        async_acquire(*f.conns, "b", f.dialer(), drop);
    }
    CHECK(f.conns->stats().waiting == 0);
    CHECK(f.conns->stats().dialing == 0);
    f.conns->resume();
    auto got = f.ask("a");
    f.run();
    CHECK(got->lease->id() == 1);
}

TEST_CASE_TEMPLATE("asio, pause: a connection whose check has begun is lent, if it is healthy [C20, C26]", Pool,
    later::later_idle, later::later_open) {
    for (const bool is_healthy : {true, false}) {
        later::check_fixture<Pool> f;
        f.put("a", 2);
        auto got = f.ask("a");
        f.conns->pause();
        CHECK_FALSE(got->done);
        f.answer(is_healthy);
        REQUIRE(got->done);
        if (is_healthy) CHECK(got->lease->id() == 1);
        else CHECK(got->error == pool::asio::errc::pool_paused);
        got->lease.give_back();
        f.conns->upkeep();
        CHECK(f.far(1).closes == !is_healthy);
        CHECK(f.history(2) == "dialled for a");
        CHECK(f.dials.dials() == 2);
        f.check_sums(1);
    }
}

TEST_CASE(
    "asio, pause: a caller whose connection is found unhealthy in a pause waits for its end, and dials [C20, C26]") {
    later::check_fixture<later::later_open> f;
    f.put("a");
    auto got = f.ask("a");
    f.conns->pause(wait_for_resume);
    f.answer(false);
    CHECK_FALSE(got->done);
    CHECK(f.far(1).closes == 1);
    CHECK(f.stats().waiting == 1);
    CHECK(f.dials.dials() == 1);
    f.conns->resume();
    f.run();
    CHECK(got->lease->id() == 2);
    f.check_sums(1);
}
