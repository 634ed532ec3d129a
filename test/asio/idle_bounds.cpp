// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <memory>
#include <string>
#include <type_traits>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/version.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/connection_pool.hpp>
#include <pool/sharded_pool.hpp>
#include <pool/stats.hpp>

#if BOOST_VERSION >= 107700
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#endif

#include <support/async_calls.hpp>
#include <support/figures.hpp>
#include <support/ids.hpp>

// Asynchronous callers of a pool that bounds only what is idle. They wait for nobody.

using namespace async_calls;
using fake::ids;
using pool::asio::async_acquire;
using fixture_of_idle = timed_fixture<idle_pool>;

TEST_CASE("asio, idle bounds: an idle connection is lent, but not within the call that asks for it") {
    fixture_of_idle f{pool::bounded{}};
    f.conns->put("a", f.far.dial());
    auto got = f.ask("a");
    CHECK_FALSE(got->done);
    f.run();
    CHECK(got->lease->id() == 1);
    CHECK(got->lease.reused());
    CHECK(f.conns->stats().hits == 1);
}

TEST_CASE("asio, idle bounds: a caller that finds nothing dials, however many are open") {
    fixture_of_idle f{pool::bounded{.max_idle = 1}};
    auto first = f.ask("a");
    auto second = f.ask("a", f.slow());
    auto third = f.ask("b");
    f.run();
    CHECK(first->lease->id() == 1);
    CHECK_FALSE(first->lease.reused());
    CHECK(first->lease.key() == "a");
    CHECK(third->lease->id() == 2);
    CHECK_FALSE(second->done);
    f.dial_succeeded();
    f.run();
    CHECK(second->lease->id() == 3);
    for (const auto& each : {first, second, third}) each->lease.give_back();
    const pool::stats s = f.conns->stats();
    CHECK(s.dials == 3);
    CHECK(s.misses == 3);
    CHECK(s.idle == 1);
    CHECK(s.puts == figures::accounted_puts(s));
}

TEST_CASE("asio, idle bounds: a failed dial fails its caller") {
    fixture_of_idle f{pool::bounded{}};
    auto got = f.ask("a", f.slow());
    f.run();
    f.dial_failed(0, net::error::connection_refused);
    f.run();
    CHECK(got->error == net::error::connection_refused);
    CHECK_FALSE(got->lease);
    CHECK(f.conns->stats().failed_dials == 1);
    CHECK(f.conns->stats().keys == 0);
}

TEST_CASE("asio, idle bounds: a closed pool ends its callers at once, and closes what their dials open [C11]") {
    fixture_of_idle f{pool::bounded{}};
    auto dials = f.ask("a", f.slow());
    f.run();
    auto not_yet = f.ask("a", f.slow());
    f.conns->close();
    auto late = f.ask("a");
    f.run();
    for (const auto& each : {dials, not_yet, late}) CHECK(each->error == pool::asio::errc::pool_closed);
    CHECK(f.dials.size() == 1);
    f.dial_succeeded();
    CHECK(f.far.closed() == ids{1});
    CHECK(f.conns->stats().misses == 3);
}

TEST_CASE("asio, idle bounds: the pool may be destroyed while a caller dials") {
    fixture_of_idle f{pool::bounded{}};
    auto dials = f.ask("a", f.slow());
    f.run();
    f.conns.reset();
    f.run();
    CHECK(dials->error == pool::asio::errc::pool_closed);
    f.dial_succeeded();
    CHECK(f.far.closed() == ids{1});
}

TEST_CASE("asio, idle bounds: an executor that is destroyed, and drops its handlers, loses nothing") {
    fixture_of_idle f{pool::bounded{}};
    {
        net::io_context loop;
        const auto drop = net::bind_executor(loop, [](error_code, auto) { FAIL("called"); });
        f.conns->put("a", f.far.dial());
        async_acquire(*f.conns, "a", f.dialer(), drop);  // has got the connection
        async_acquire(*f.conns, "b", f.dialer(), drop);  // may dial
        CHECK(f.conns->stats().lent == 1);
    }
    CHECK(f.conns->stats().idle == 1);
    CHECK(f.far.dials() == 1);
}

#if BOOST_VERSION >= 107700
TEST_CASE("asio, idle bounds: a cancelled caller leaves, and the connection of its dial becomes idle") {
    fixture_of_idle f{pool::bounded{}};
    net::cancellation_signal signal;
    auto got = std::make_shared<result<idle_pool>>();
    async_acquire(*f.conns, "a", f.slow(), net::bind_cancellation_slot(signal.slot(), f.handler(got)));
    f.run();
    signal.emit(net::cancellation_type::terminal);
    f.run();
    CHECK(got->error == net::error::operation_aborted);
    f.dial_succeeded();
    CHECK(f.conns->stats().idle == 1);
}

TEST_CASE_TEMPLATE("asio: a caller that has got a connection at once keeps it, even if it is cancelled before its turn",
    Pool, idle_pool, open_pool) {
    using bounds = std::conditional_t<std::is_same_v<Pool, idle_pool>, pool::bounded, pool::bounded_open>;
    timed_fixture<Pool> f{bounds{}};
    f.conns->put("a", f.far.dial());
    net::cancellation_signal signal;
    auto got = std::make_shared<result<Pool>>();
    async_acquire(*f.conns, "a", f.dialer(), net::bind_cancellation_slot(signal.slot(), f.handler(got)));
    signal.emit(net::cancellation_type::terminal);
    f.run();
    CHECK(got->lease->id() == 1);

    auto late = std::make_shared<result<Pool>>();
    async_acquire(*f.conns, "a", f.dialer(), std::chrono::seconds{0},
        net::bind_cancellation_slot(signal.slot(), f.handler(late)));
    signal.emit(net::cancellation_type::terminal);
    f.run();
    CHECK(late->error == pool::asio::errc::acquire_timeout);
}
#endif

TEST_CASE("asio, idle bounds: the ready-made pools lend to asynchronous callers, too") {
    net::io_context loop;
    fake::network far;
    const auto dial = [&](const std::string&, auto handler) { handler(error_code{}, far.dial()); };
    int served = 0;
    const auto count = net::bind_executor(loop, [&](error_code, auto lent) { served += lent->id(); });
    pool::connection_pool<std::string, fake::connection> whole{{.capacity = 4}};
    async_acquire(whole, "a", dial, count);
    loop.run();
    CHECK(served == 1);
    pool::sharded_pool<4, std::string, fake::connection> sharded;
    for (const char* key : {"a", "b", "c", "d", "e"}) async_acquire(sharded, key, dial, count);
    loop.restart();
    loop.run();
    CHECK(served == 1 + 2 + 3 + 4 + 5 + 6);
    CHECK(sharded.stats().idle == 5);
    CHECK(sharded.stats("c").idle == 1);
}

TEST_CASE("asio, idle bounds: a pool of one peer takes no key, and neither need its dial") {
    net::io_context loop;
    fake::network far;
    pool::basic_pool<pool::no_key, fake::connection, pool::bounded> one;
    int served = 0;
    const auto count = net::bind_executor(loop, [&](error_code, auto lent) { served += lent->id(); });
    const auto dial = [&](auto handler) { handler(error_code{}, far.dial()); };
    async_acquire(one, dial, count);
    loop.run();
    async_acquire(one, pool::no_key{}, dial, std::chrono::hours{1}, count);
    async_acquire(one, dial, std::chrono::hours{1}, count);
    loop.restart();
    loop.run();
    CHECK(served == 1 + 1 + 2);
}
