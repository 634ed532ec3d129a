// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <boost/version.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/dial.hpp>
#include <pool/stats.hpp>

#if BOOST_VERSION >= 107700
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#endif
#ifdef BOOST_ASIO_HAS_CO_AWAIT
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#endif

#include <support/async_calls.hpp>

// The deadline and the stop that an asynchronous dial gets.

using namespace std::chrono_literals;
using namespace async_calls;
using pool::asio::async_acquire;
using pool::asio::errc;
using real = std::chrono::steady_clock;

TEST_CASE("asio, dial context: the deadline is the caller's") {
    fixture<pool_with<pool::bounded_open, real>> f{pool::bounded_open{.max_open = 2}};
    const auto deadline = real::now() + 1h;
    auto with = f.ask("a", f.slow_with_context(), deadline);
    auto without = f.ask("b", f.slow_with_context());
    f.run();
    REQUIRE(f.contexts.size() == 2);
    CHECK(f.contexts[0]->deadline == deadline);
    CHECK(f.contexts[1]->deadline == real::time_point::max());
    CHECK(f.contexts[0]->stop.stop_possible());
    f.dial_succeeded(0);
    f.dial_succeeded(1);
    f.run();
    CHECK(with->lease);
    CHECK(without->lease);
}

TEST_CASE("asio, dial context: the deadline of a clock of its own is as far away") {
    with_each_kind([](auto& f) {
        const auto before = real::now();
        auto got = f.ask("a", f.slow_with_context(), 1h);
        f.run();
        CHECK(f.contexts.at(0)->deadline >= before + 1h);
        CHECK(f.contexts.at(0)->deadline <= real::now() + 1h);
        f.dial_succeeded();
        f.run();
        CHECK(got->lease);
    });
}

TEST_CASE("asio, dial context: a stop is requested when the caller is late, and a dial that goes on is not lost") {
    with_each_kind([](auto& f) {
        auto got = f.ask("a", f.slow_with_context(), 1s);
        f.run();
        CHECK_FALSE(f.contexts.at(0)->stop.stop_requested());
        f.clock.advance(1s);
        f.conns->upkeep();
        f.run();
        CHECK(got->error == errc::acquire_timeout);
        CHECK(f.contexts.at(0)->stop.stop_requested());
        f.dial_succeeded();
        CHECK(f.conns->stats().idle == 1);
    });
}

TEST_CASE("asio, dial context: a stop is requested when the pool is closed") {
    with_each_kind([](auto& f) {
        auto got = f.ask("a", f.slow_with_context());
        f.run();
        f.conns->close();
        f.run();
        CHECK(got->error == errc::pool_closed);
        CHECK(f.contexts.at(0)->stop.stop_requested());
        f.dial_failed(0, net::error::operation_aborted);
        CHECK(f.conns->stats().dialing == 0);
    });
}

TEST_CASE("asio, dial context: a dial may end within its stop") {
    timed_fixture<open_pool> f{pool::bounded_open{.max_open = 1}};
    std::optional<std::stop_callback<std::function<void()>>> on_stop;
    auto late = f.ask(
        "a",
        [&](const std::string&, const pool::dial_context& context, auto handler) {
            on_stop.emplace(context.stop, [handler]() mutable { handler(net::error::operation_aborted); });
        },
        1s);
    auto next = f.ask("a");
    f.run();
    f.clock.advance(1s);
    f.conns->upkeep();
    f.run();
    CHECK(late->error == errc::acquire_timeout);
    CHECK(next->lease->id() == 1);  // its own dial: the permit was free
}

TEST_CASE("asio, dial context: a caller that gets another connection does not stop its dial") {
    timed_fixture<open_pool> f{pool::bounded_open{.max_open = 2}};
    auto lent = f.ask("a");
    f.run();
    auto dials = f.ask("a", f.slow_with_context());
    f.run();
    lent->lease.give_back();
    f.run();
    CHECK(dials->lease->id() == 1);
    CHECK_FALSE(f.contexts.at(0)->stop.stop_requested());
    f.dial_succeeded();
    CHECK(f.conns->stats().idle == 1);
}

TEST_CASE("asio, dial context: a stop is requested when the executor is destroyed") {
    std::stop_token stop;
    with_each_kind([&](auto& f) {
        std::function<void()> end;
        {
            net::io_context loop;
            const auto dial = [&](const std::string&, const pool::dial_context& context, auto handler) {
                stop = context.stop;
                end = [handler]() mutable { handler(net::error::operation_aborted); };
            };
            async_acquire(*f.conns, "a", dial, net::bind_executor(loop, [](error_code, auto) { FAIL("called"); }));
            loop.poll();
            CHECK_FALSE(stop.stop_requested());
            f.conns->close();  // the turn of the caller is dropped
        }
        CHECK(stop.stop_requested());
        end();
    });
}

#if BOOST_VERSION >= 107700
TEST_CASE("asio, dial context: a stop is requested when the caller is cancelled") {
    with_each_kind([](auto& f) {
        net::cancellation_signal signal;
        auto got = std::make_shared<result<typename std::remove_reference_t<decltype(f)>::pool_type>>();
        async_acquire(*f.conns, "a", f.slow_with_context(), net::bind_cancellation_slot(signal.slot(), f.handler(got)));
        f.run();
        signal.emit(net::cancellation_type::terminal);
        f.run();
        CHECK(got->error == net::error::operation_aborted);
        CHECK(f.contexts.at(0)->stop.stop_requested());
        f.dial_failed(0, net::error::operation_aborted);
    });
}
#endif

TEST_CASE("asio, dial context: in a pool of one peer, a dial may take the context, the key, both or neither") {
    net::io_context loop;
    fake::network far;
    pool::basic_pool<pool::no_key, fake::connection, pool::bounded_open> one;
    int served = 0;
    const auto ask = [&](auto dial) {
        async_acquire(one, dial, net::bind_executor(loop, [&](error_code, auto lent) {
            ++served;
            lent.discard();
        }));
        loop.restart();
        loop.run();
    };
    ask([&](auto handler) { handler(error_code{}, far.dial()); });
    ask([&](const pool::no_key&, auto handler) { handler(error_code{}, far.dial()); });
    ask([&](const pool::dial_context&, auto handler) { handler(error_code{}, far.dial()); });
    ask([&](const pool::no_key&, const pool::dial_context&, auto handler) { handler(error_code{}, far.dial()); });
#ifdef BOOST_ASIO_HAS_CO_AWAIT
    ask([&]() -> net::awaitable<fake::connection> { co_return far.dial(); });
    ask([&](const pool::dial_context&) -> net::awaitable<fake::connection> { co_return far.dial(); });
#else
    served += 2;
#endif
    CHECK(served == 6);
}

#ifdef BOOST_ASIO_HAS_CO_AWAIT
TEST_CASE("asio, dial context: a coroutine gets it, and it is valid to the end of the dial") {
    with_each_kind([](auto& f) {
        bool was_stopped = false;
        const auto dial = [&](const std::string& key,
                              const pool::dial_context& context) -> net::awaitable<fake::connection> {
            while (!context.stop.stop_requested())
                co_await net::post(co_await net::this_coro::executor, net::use_awaitable);
            was_stopped = key == "a";
            throw boost::system::system_error{net::error::operation_aborted};
        };
        auto got = f.ask("a", dial, 1s);
        for (int i = 0; i < 10; ++i) f.loop.poll_one();
        f.clock.advance(1s);
        f.conns->upkeep();
        f.run();
        CHECK(got->error == errc::acquire_timeout);
        CHECK(was_stopped);
        CHECK(f.conns->stats().failed_dials == 1);
    });
}
#endif
