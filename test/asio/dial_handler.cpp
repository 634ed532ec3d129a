// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/stats.hpp>

#include <support/async_calls.hpp>
#include <support/figures.hpp>
#include <support/ids.hpp>

// What a dial may do with its handler: call it twice, with an error and a connection, with an exception, or not at all.

using namespace async_calls;
using fake::ids;
using pool::asio::errc;

TEST_CASE("asio, dial handler: a connection that comes with an error is closed, and the error counts") {
    with_each_kind([](auto& f) {
        auto got =
            f.ask("a", [&](const std::string&, auto handler) { handler(net::error::connection_reset, f.far.dial()); });
        f.run();
        CHECK(got->error == net::error::connection_reset);
        CHECK(f.far.closed() == ids{1});
        CHECK(f.conns->stats().failed_dials == 1);
    });
}

TEST_CASE("asio, dial handler: it is closed before its permit is free") {
    timed_fixture<open_pool> f{pool::bounded_open{.max_open = 1}};
    f.far.prepare([&](fake::line& far) { far.on_close = [&] { CHECK(f.conns->stats().dialing == 1); }; });
    auto got =
        f.ask("a", [&](const std::string&, auto handler) { handler(net::error::connection_reset, f.far.dial()); });
    f.run();
    CHECK(f.far.closed() == ids{1});
}

TEST_CASE("asio, dial handler: the first call ends the dial, and the connection of a second one is closed") {
    with_each_kind([](auto& f) {
        auto got = f.ask("a", [&](const std::string&, auto handler) {
            auto copy = handler;
            handler(error_code{}, f.far.dial());
            copy(error_code{}, f.far.dial());
            copy(net::error::connection_reset, f.far.dial());
            copy(net::error::connection_reset);
        });
        f.run();
        CHECK(got->lease->id() == 1);
        CHECK(f.far.closed() == ids{2, 3});
        got->lease.give_back();
        const pool::stats s = f.conns->stats();
        CHECK(s.dials == 1);
        CHECK(s.failed_dials == 0);
        CHECK(s.dialing + s.lent + s.closing == 0);
        CHECK(s.puts == figures::accounted_puts(s));
    });
}

TEST_CASE("asio, dial handler: after an error, the connection of a second call is closed") {
    with_each_kind([](auto& f) {
        auto got = f.ask("a", [&](const std::string&, auto handler) {
            handler(net::error::connection_refused);
            handler(error_code{}, f.far.dial());
        });
        f.run();
        CHECK(got->error == net::error::connection_refused);
        CHECK(f.far.closed() == ids{1});
    });
}

TEST_CASE("asio, dial handler: a dial that throws after it has called its handler is over already") {
    with_each_kind([](auto& f) {
        auto got = f.ask("a", [&](const std::string&, auto handler) {
            handler(error_code{}, f.far.dial());
            throw std::runtime_error{"too late"};
        });
        f.run();
        CHECK(got->lease->id() == 1);
        CHECK(f.conns->stats().failed_dials == 0);
    });
}

TEST_CASE("asio, dial handler: no error and no connection is a failed dial") {
    with_each_kind([](auto& f) {
        auto none = f.ask("a", [](const std::string&, auto handler) { handler(error_code{}); });
        auto null = f.ask("a", [](const std::string&, auto handler) { handler(std::exception_ptr{}); });
        f.run();
        CHECK(none->error == errc::dial_failed);
        CHECK(null->error == errc::dial_failed);
    });
}

TEST_CASE("asio, dial handler: what a dial throws or reports reaches a caller with exceptions unchanged") {
    with_each_kind([](auto& f) {
        const auto fail = std::make_exception_ptr(std::runtime_error{"password authentication failed"});
        const auto throws = [&](const std::string&, auto) { std::rethrow_exception(fail); };
        const auto reports = [&](const std::string&, auto handler) { handler(fail); };
        const auto refused = [&](const std::string&, auto handler) { handler(net::error::connection_refused); };
        auto first = f.ask_for_exceptions("a", throws);
        auto second = f.ask_for_exceptions("b", reports);
        auto third = f.ask("c", reports);
        auto fourth = f.ask_for_exceptions("d", refused);
        f.run();
        CHECK(first->exception == fail);
        CHECK(second->exception == fail);
        CHECK(text(second->exception) == "password authentication failed");
        CHECK(third->error == errc::dial_failed);
        try {
            std::rethrow_exception(fourth->exception);
        } catch (const boost::system::system_error& error) {
            CHECK(error.code() == net::error::connection_refused);
        }
    });
}

TEST_CASE("asio, dial handler: a timeout tells how the last dial of its key failed") {
    timed_fixture<open_pool> f{pool::bounded_open{.max_open = 1, .max_dials_per_key = 1}};
    const auto fail = std::make_exception_ptr(std::runtime_error{"password authentication failed"});
    std::function<void()> end;
    auto first = f.ask("a", [&](const std::string&, auto handler) { end = [=]() mutable { handler(fail); }; });
    auto second = f.ask_for_exceptions("a", f.slow(), std::chrono::seconds{1});
    f.run();
    end();
    f.run();
    f.clock.advance(std::chrono::seconds{1});
    f.conns->upkeep();
    f.run();
    CHECK(text(second->exception).find("; the last dial failed: password authentication failed") != std::string::npos);
    f.dial_succeeded();
}
