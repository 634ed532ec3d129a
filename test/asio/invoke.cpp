// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/system_error.hpp>
#include <boost/version.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_invoke.hpp>
#include <pool/call_site.hpp>
#include <pool/error.hpp>
#include <pool/stats.hpp>

#ifdef BOOST_ASIO_HAS_CO_AWAIT
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#endif
#if BOOST_VERSION >= 107700
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#endif

#include <support/async_calls.hpp>
#include <support/ids.hpp>
#include <support/places.hpp>

// Calls that lend a connection and give it back, and block no thread.

using namespace std::chrono_literals;
using namespace async_calls;
using fake::ids;
#ifdef BOOST_ASIO_HAS_CO_AWAIT
using pool::asio::async_invoke;
#endif

TEST_CASE("asio, invoke: a plain function takes the connection, or a reference to const") {
    const auto changes = [](fake::connection&) {};
    const auto reads = [](const fake::connection& conn) { return conn.id(); };
    CHECK(pool::core::check_async_call<decltype(changes), fake::connection>());
    CHECK(pool::core::check_async_call<decltype(reads), fake::connection>());
}

#ifdef BOOST_ASIO_HAS_CO_AWAIT
namespace {

/// Calls `check(fixture)` with a pool of each kind.
template <class Check>
void with_each_pool(Check check) {
    SUBCASE("a pool that bounds what is open") {
        timed_fixture<open_pool> f{pool::bounded_open{.max_open = 1}};
        check(f);
    }
    SUBCASE("a pool that bounds what is idle") {
        timed_fixture<idle_pool> f{pool::bounded{}};
        check(f);
    }
}

/// Runs a coroutine, and returns its exception.
template <class Fixture, class Coroutine>
std::exception_ptr run(Fixture& f, Coroutine coroutine) {
    std::exception_ptr thrown;
    bool over = false;
    net::co_spawn(f.loop, std::move(coroutine), [&](std::exception_ptr error) {
        thrown = error;
        over = true;
    });
    f.run();
    CHECK(over);
    return thrown;
}

/// Lets the loop do something else first.
net::awaitable<void> turn() { co_await net::post(co_await net::this_coro::executor, net::use_awaitable); }

}  // namespace

TEST_CASE("asio, invoke: a coroutine has the connection to its end, and co_await gives its result") {
    with_each_pool([](auto& f) {
        const auto id = [&](fake::connection& conn) -> net::awaitable<int> {
            co_await turn();
            CHECK(f.conns->stats().lent == 1);
            co_return conn.id();
        };
        const auto none = [&](fake::connection&) -> net::awaitable<void> {
            co_await turn();
            CHECK(f.conns->stats().lent == 1);
        };
        const auto all = [&]() -> net::awaitable<void> {
            CHECK(co_await async_invoke(*f.conns, "a", f.dialer(), id, net::use_awaitable) == 1);
            CHECK(f.conns->stats().idle == 1);  // before its caller goes on
            co_await async_invoke(*f.conns, "a", f.dialer(), none, net::use_awaitable);
            CHECK(f.conns->stats().idle == 1);
        };
        CHECK_FALSE(run(f, all()));
        CHECK(f.far.dials() == 1);
    });
}

TEST_CASE("asio, invoke: a plain function may be called, too, and the dial may be a coroutine") {
    with_each_pool([](auto& f) {
        const auto dial = [&](const std::string&) -> net::awaitable<fake::connection> {
            co_await turn();
            co_return f.far.dial();
        };
        int called = 0;
        const auto all = [&]() -> net::awaitable<void> {
            const auto id = [](fake::connection& conn) { return std::make_unique<int>(conn.id()); };
            CHECK(*co_await async_invoke(*f.conns, "a", dial, id, net::use_awaitable) == 1);
            co_await async_invoke(
                *f.conns, "a", dial, [&](const fake::connection&) { ++called; }, net::use_awaitable);
        };
        CHECK_FALSE(run(f, all()));
        CHECK(called == 1);
        CHECK(f.conns->stats().idle == 1);
    });
}

TEST_CASE("asio, invoke: a handler gets the exception and the result, on its executor") {
    timed_fixture<open_pool> f{pool::bounded_open{.max_open = 1}};
    auto strand = net::make_strand(f.loop);
    int got = 0;
    const auto id = [&](fake::connection& conn) {
        CHECK(strand.running_in_this_thread());
        return conn.id();
    };
    async_invoke(*f.conns, "a", f.dialer(), id, net::bind_executor(strand, [&](std::exception_ptr error, int result) {
        CHECK(strand.running_in_this_thread());
        CHECK_FALSE(error);
        got = result;
    }));
    CHECK(got == 0);
    f.run();
    CHECK(got == 1);
}

TEST_CASE("asio, invoke: if the function throws, the connection is closed, unless it is reusable [C14]") {
    with_each_pool([](auto& f) {
        bool is_reusable = false;
        const auto fails = [&](fake::connection& conn) -> net::awaitable<void> {
            conn.far().reusable = is_reusable;
            co_await turn();
            throw std::runtime_error{"no answer"};
        };
        const auto fails_at_once = [](fake::connection&) { throw std::runtime_error{"no answer"}; };
        const auto call = [&](auto function) -> net::awaitable<void> {
            co_await async_invoke(*f.conns, "a", f.dialer(), function, net::use_awaitable);
        };
        CHECK(text(run(f, call(fails))) == "no answer");
        CHECK(f.far.closed() == ids{1});
        CHECK(text(run(f, call(fails_at_once))) == "no answer");
        CHECK(f.far.closed() == ids{2});
        is_reusable = true;
        CHECK(text(run(f, call(fails))) == "no answer");
        CHECK(f.far.closed() == ids{});
        const pool::stats s = f.conns->stats();
        CHECK(s.idle == 1);
        CHECK(s.discarded == 2);
        CHECK(s.lent == 0);
    });
}

TEST_CASE("asio, invoke: a coroutine that is destroyed in the middle of the call closes the connection") {
    with_each_pool([](auto& f) {
        bool is_reusable = false;
        SUBCASE("") {}
        SUBCASE("unless it is reusable") { is_reusable = true; }
        {
            net::io_context loop;
            net::steady_timer never{loop, net::steady_timer::time_point::max()};
            const auto hangs = [&](fake::connection& conn) -> net::awaitable<void> {
                conn.far().reusable = is_reusable;
                co_await never.async_wait(net::use_awaitable);
            };
            const auto call = [&]() -> net::awaitable<void> {
                co_await async_invoke(*f.conns, "a", f.dialer(), hangs, net::use_awaitable);
            };
            net::co_spawn(loop, call(), net::detached);
            loop.poll();
            CHECK(f.conns->stats().lent == 1);
        }
        CHECK(f.conns->stats().lent == 0);
        CHECK(f.conns->stats().idle == (is_reusable ? 1 : 0));
    });
}

TEST_CASE(
    "asio: a lease in a coroutine that is destroyed in the middle of a call is not kept, with the setting [C14]") {
    bool discards = false;
    SUBCASE("without it, the connection is idle, in the middle of a call") {}
    SUBCASE("with it, the connection is closed") { discards = true; }
    fixture<open_pool> f{
        pool::bounded_open{.max_open = 2}, pool::never{}, pool::pool_settings{.discard_unless_kept = discards}};
    {
        net::io_context loop;
        net::steady_timer never{loop, net::steady_timer::time_point::max()};
        const auto call = [&](bool hangs) -> net::awaitable<void> {
            auto lent = co_await pool::asio::async_acquire(*f.conns, hangs ? "a" : "b", f.dialer(), net::use_awaitable);
            if (hangs) co_await never.async_wait(net::use_awaitable);
            lent.keep();
        };
        net::co_spawn(loop, call(true), net::detached);
        net::co_spawn(loop, call(false), net::detached);
        loop.poll();
        CHECK(f.conns->stats().lent == 1);
        CHECK(f.conns->stats("b").idle == 1);
    }
    CHECK(f.conns->stats().lent == 0);
    CHECK(f.conns->stats("a").idle == (discards ? 0 : 1));
    CHECK(f.conns->stats("b").idle == 1);
    CHECK(f.conns->stats().discarded == (discards ? 1 : 0));
}

TEST_CASE("asio, invoke: a call that ends well gives back, with the setting, too [C14]") {
    fixture<idle_pool> f{pool::bounded{}, pool::never{}, pool::pool_settings{.discard_unless_kept = true}};
    const auto call = [&]() -> net::awaitable<void> {
        co_await async_invoke(
            *f.conns, "a", f.dialer(), [](fake::connection&) {}, net::use_awaitable);
    };
    CHECK_FALSE(run(f, call()));
    CHECK(f.conns->stats().idle == 1);
}

TEST_CASE("asio, invoke: a dial that returns a dead connection has failed, in words [C19]") {
    with_each_pool([](auto& f) {
        f.far.prepare([](fake::line& line) { line.dead = true; });
        const auto call = [&]() -> net::awaitable<void> {
            co_await async_invoke(
                *f.conns, "a", f.dialer(), [](fake::connection&) {}, net::use_awaitable);
        };
        const std::exception_ptr thrown = run(f, call());
        REQUIRE(thrown);
        CHECK_THROWS_AS(std::rethrow_exception(thrown), pool::dial_failed);
        CHECK(text(thrown) == "pool \"peers\": no connection for key \"a\": the dial has returned a dead one");
        CHECK(f.far.closed() == ids{1});
        CHECK(f.conns->stats().failed_dials == 1);
    });
}

TEST_CASE("asio, invoke: what the dial throws reaches the caller unchanged") {
    with_each_pool([](auto& f) {
        const auto dial = [](const std::string&) -> net::awaitable<fake::connection> {
            co_await turn();
            throw std::runtime_error{"password authentication failed"};
        };
        const auto call = [&]() -> net::awaitable<void> {
            co_await async_invoke(
                *f.conns, "a", dial, [](fake::connection&) {}, net::use_awaitable);
        };
        CHECK(text(run(f, call())) == "password authentication failed");
    });
}

TEST_CASE("asio, invoke: a limit ends the wait with acquire_timeout, and not the call") {
    timed_fixture<open_pool> f{pool::bounded_open{.max_open = 1}};
    net::steady_timer gate{f.loop, net::steady_timer::time_point::max()};
    const auto waits = [&](fake::connection& conn) -> net::awaitable<int> {
        try {
            co_await gate.async_wait(net::use_awaitable);
        } catch (const boost::system::system_error&) {  // the gate is open
        }
        co_return conn.id();
    };
    std::exception_ptr late;
    int first = 0;
    const auto deadline = f.clock.now() + 1s;
    async_invoke(*f.conns, "a", f.dialer(), 1s, waits,
        net::bind_executor(f.loop, [&](std::exception_ptr, int id) { first = id; }));
    f.run();
    async_invoke(*f.conns, "a", f.dialer(), deadline, waits,
        net::bind_executor(f.loop, [&](std::exception_ptr error, int) { late = error; }));
    f.run();
    f.clock.advance(1s);
    f.conns->upkeep();
    f.run();
    CHECK_THROWS_AS(std::rethrow_exception(late), pool::acquire_timeout);
    CHECK(first == 0);
    gate.cancel();
    f.run();
    CHECK(first == 1);
    CHECK(f.conns->stats().idle == 1);
}

TEST_CASE("asio, invoke: in a pool of one peer there is no key") {
    net::io_context loop;
    fake::network far;
    pool::basic_pool<pool::no_key, fake::connection, pool::bounded> one;
    const auto dial = [&](auto handler) { handler(error_code{}, far.dial()); };
    const auto id = [](const fake::connection& conn) { return conn.id(); };
    int sum = 0;
    const auto add = net::bind_executor(loop, [&](std::exception_ptr, int result) { sum += result; });
    async_invoke(one, dial, id, add);
    async_invoke(one, dial, 1h, id, add);
    async_invoke(one, pool::no_key{}, dial, 1h, id, add);
    loop.run();
    CHECK(sum >= 3);
    CHECK(one.stats().lent == 0);
}

TEST_CASE("asio, invoke: a pool that traces its leases knows the place of the call") {
    using places::here;
    net::io_context loop;
    fake::network far;
    const pool::pool_settings traced{.trace_leases = true};
    const auto place = pool::call_site::current();
    std::uint_least32_t seen = 0;
    const auto token = net::bind_executor(loop, [&](std::exception_ptr, std::uint_least32_t line) { seen = line; });
    const auto check = [&](auto line) {
        loop.restart();
        loop.poll();
        CHECK(std::exchange(seen, 0) == line);
    };

    SUBCASE("with a key") {
        open_pool conns{{}, {}, traced, {}};
        const auto dial = [&](const std::string&, auto handler) { handler(error_code{}, far.dial()); };
        const auto look = [&](fake::connection&) { return places::line_of(conns); };
        const auto await = [&](fake::connection&) -> net::awaitable<std::uint_least32_t> {
            co_return places::line_of(conns);
        };
        (async_invoke(conns, "a", dial, look, token), check(here()));
        (async_invoke(conns, "a", dial, await, token), check(here()));
        (async_invoke(conns, "a", dial, 1h, look, token), check(here()));
        (async_invoke(conns, "a", dial, look, token, place), check(place.line()));
        (async_invoke(conns, "a", dial, 1h, look, token, place), check(place.line()));
        CHECK(conns.stats().dials == 1);
    }
    SUBCASE("without a key") {
        pool::basic_pool<pool::no_key, fake::connection, pool::bounded> one{{}, {}, traced};
        const auto dial = [&](auto handler) { handler(error_code{}, far.dial()); };
        const auto look = [&](fake::connection&) { return places::line_of(one); };
        (async_invoke(one, dial, look, token), check(here()));
        (async_invoke(one, dial, 1h, look, token), check(here()));
        (async_invoke(one, pool::no_key{}, dial, look, token), check(here()));
        (async_invoke(one, dial, look, token, place), check(place.line()));
        (async_invoke(one, dial, 1h, look, token, place), check(place.line()));
        CHECK(one.stats().dials == 1);
    }
}

#if BOOST_VERSION >= 107700
TEST_CASE("asio, invoke: cancelling ends the wait, or reaches the call") {
    timed_fixture<open_pool> f{pool::bounded_open{.max_open = 1}};
    net::steady_timer never{f.loop, net::steady_timer::time_point::max()};
    net::cancellation_signal in_call;
    net::cancellation_signal in_queue;
    const auto hangs = [&](fake::connection&) -> net::awaitable<void> {
        co_await never.async_wait(net::use_awaitable);
    };
    std::exception_ptr first;
    std::exception_ptr second;
    const auto ask = [&](net::cancellation_signal& signal, std::exception_ptr& result) {
        async_invoke(*f.conns, "a", f.dialer(), hangs,
            net::bind_cancellation_slot(
                signal.slot(), net::bind_executor(f.loop, [&](std::exception_ptr error) { result = error; })));
        f.run();
    };
    ask(in_call, first);
    ask(in_queue, second);
    CHECK(f.conns->stats().waiting == 1);
    in_queue.emit(net::cancellation_type::terminal);
    f.run();
    CHECK(second);
    CHECK(f.conns->stats().waiting == 0);
    in_call.emit(net::cancellation_type::terminal);
    f.run();
    CHECK(first);
    CHECK(f.far.closed() == ids{1});
}
#endif
#endif
