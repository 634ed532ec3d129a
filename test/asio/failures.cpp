// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/stats.hpp>

#include <support/asio_pool.hpp>
#include <support/ids.hpp>

// Dials that fail, and callers of a pool or an executor that ends.

using namespace asio_pools;
using fake::ids;
using pool::asio::async_acquire;

TEST_CASE("asio: a failed dial fails its own caller, with its own error, and the next one tries") {
    fixture f{strict({.max_open = 1})};
    const auto fails = [&](auto dial, error_code expected) {
        auto first = f.ask("a", dial);
        auto second = f.ask("a");
        f.run();
        CHECK(first->error == expected);
        CHECK_FALSE(first->lease);
        f.run();
        REQUIRE(second->lease);
        second->lease.discard();
        CHECK(f.conns->stats().failed_dials == 1);
        CHECK(f.conns->stats().keys == 0);
    };
    SUBCASE("an error code") {
        fails([](const std::string&, auto handler) { handler(net::error::connection_refused); },
            net::error::connection_refused);
    }
    SUBCASE("an exception with an error code") {
        fails([](const std::string&, auto) { throw boost::system::system_error{net::error::host_not_found}; },
            net::error::host_not_found);
    }
    SUBCASE("another exception") {
        fails([](const std::string&, auto) { throw std::runtime_error{"no answer"}; }, pool::asio::errc::dial_failed);
    }
    SUBCASE("a handler that is dropped") {
        fails([](const std::string&, auto) {}, pool::asio::errc::dial_dropped);
    }
}

TEST_CASE("asio: a dial that calls its handler again has only the first call count, and its connections are closed") {
    fixture f{strict({.max_open = 2})};
    std::shared_ptr<fixture<>::result> caller;
    SUBCASE("two connections") {
        caller = f.ask("a", [&](const std::string&, auto handler) {
            auto again = handler;
            handler(error_code{}, f.far.dial());
            again(error_code{}, f.far.dial());
        });
        f.run();
        CHECK(caller->lease->id() == 1);
        CHECK(f.far.closed() == ids{2});
    }
    SUBCASE("a connection after an error") {
        caller = f.ask("a", [&](const std::string&, auto handler) {
            handler(net::error::connection_refused);
            handler(error_code{}, f.far.dial());
        });
        f.run();
        CHECK(caller->error == net::error::connection_refused);
        CHECK(f.far.closed() == ids{1});
    }
    SUBCASE("a connection with an error") {
        caller = f.ask("a", [&](const std::string&, auto handler) {
            handler(error_code{net::error::connection_refused}, f.far.dial());
        });
        f.run();
        CHECK(caller->error == net::error::connection_refused);
        CHECK(f.far.closed() == ids{1});
    }
    SUBCASE("a connection, and an exception") {
        caller = f.ask("a", [&](const std::string&, auto handler) {
            handler(error_code{}, f.far.dial());
            throw std::runtime_error{"afterwards"};
        });
        f.run();
        CHECK(caller->lease->id() == 1);
    }
    SUBCASE("much later, when the caller has given its connection back") {
        caller = f.ask("a", f.slow());
        f.run();
        auto again = f.dials[0];
        f.dial_succeeded();
        f.run();
        caller->lease.give_back();
        again(error_code{}, f.far.dial());
        CHECK(f.far.closed() == ids{2});
    }
    CHECK(f.conns->stats().dialing == 0);
    CHECK(f.conns->stats().dials + f.conns->stats().failed_dials == 1);
}

TEST_CASE("asio: a dial that returns a dead connection has failed, and that is closed [C19]") {
    fixture f{strict({.max_open = 1})};
    f.far.prepare([](fake::line& line) { line.dead = line.id == 1; });
    auto first = f.ask("a");
    auto second = f.ask("a");
    f.run();
    CHECK(first->error == pool::asio::errc::dial_failed);
    CHECK(f.far.closed() == ids{1});
    f.run();
    REQUIRE(second->lease);
    CHECK(second->lease->id() == 2);
    CHECK(f.conns->stats().failed_dials == 1);
    CHECK(f.conns->stats().failed_closes == 0);
    CHECK(f.conns->stats().dialing == 0);
}

TEST_CASE("asio: the failed close of a dead connection is counted [C13] [C19]") {
    fixture f{strict({.max_open = 1})};
    f.far.prepare([](fake::line& line) {
        line.dead = true;
        line.on_close = [] { throw std::runtime_error{"no answer"}; };
    });
    auto failing = f.ask("a");
    f.run();
    CHECK(failing->error == pool::asio::errc::dial_failed);
    CHECK(f.conns->stats().failed_dials == 1);
    CHECK(f.conns->stats().failed_closes == 1);
}

TEST_CASE("asio: the messages of the error codes") {
    const auto says = [](error_code error) { return std::string{error.category().name()} + ": " + error.message(); };
    CHECK(says(pool::asio::errc::pool_closed) == "pool: the pool is closed");
    CHECK(says(pool::asio::errc::queue_full) == "pool: the wait queue is full");
    CHECK(says(pool::asio::errc::dial_failed) == "pool: the dial failed, without an error code");
    CHECK(says(pool::asio::errc::dial_dropped) == "pool: the dial was dropped before it was over");
    CHECK(says({0, pool::asio::category()}) == "pool: unknown error");
}

TEST_CASE("asio: a full wait queue refuses the next caller, and a closed pool lends nothing") {
    fixture f{strict({.max_open = 1, .max_waiting = 1})};
    auto lent = f.acquire("a");
    auto waits = f.ask("a");
    auto over = f.ask("a");
    f.run();
    CHECK_FALSE(waits->done);
    CHECK(over->error == pool::asio::errc::queue_full);

    f.conns->close();
    CHECK_FALSE(waits->done);
    auto late = f.ask("a");
    f.run();
    CHECK(waits->error == pool::asio::errc::pool_closed);
    CHECK(late->error == pool::asio::errc::pool_closed);
    const pool::stats s = f.conns->stats();
    CHECK(s.hits + s.misses == 4);
}

TEST_CASE("asio: close notifies all callers that wait, those of a key in their order, and not within the call [C11]") {
    fixture f{strict({.max_open = 1})};
    auto lent = f.acquire("a");
    std::vector<int> order;
    for (int i = 0; i < 4; ++i) {
        const char* const key = i % 2 == 0 ? "b" : "a";
        async_acquire(*f.conns, key, f.dialer(), net::bind_executor(f.loop, [&order, i](error_code error, auto) {
            CHECK(error == pool::asio::errc::pool_closed);
            order.push_back(i);
        }));
    }
    f.conns->close();
    CHECK(order.empty());
    CHECK(f.conns->stats().waiting == 0);
    f.run();
    std::stable_partition(order.begin(), order.end(), [](int i) { return i % 2 == 0; });
    CHECK(order == std::vector{0, 2, 1, 3});
}

TEST_CASE("asio: the pool may be destroyed while callers wait and dial") {
    fixture f{strict({.max_open = 2})};
    auto lent = f.acquire("a");
    auto dials = f.ask("b", f.slow());
    f.run();
    auto waits = f.ask("a");
    f.conns.reset();
    f.run();
    CHECK(waits->error == pool::asio::errc::pool_closed);
    CHECK(dials->error == pool::asio::errc::pool_closed);
    lent.give_back();
    f.dial_succeeded();
    CHECK(f.far.closed() == ids{1, 2});
}

TEST_CASE("asio: an executor that is destroyed, and drops its handlers, loses nothing") {
    fixture f{strict({.max_open = 2})};
    {
        net::io_context loop;
        auto drop = net::bind_executor(loop, [](error_code, auto) { FAIL("called"); });
        f.acquire("a").give_back();
        async_acquire(*f.conns, "a", f.dialer(), drop);  // has got the connection
        async_acquire(*f.conns, "b", f.dialer(), drop);  // has got a permit
        CHECK(f.conns->stats().lent == 1);
        CHECK(f.conns->stats().dialing == 1);
    }
    const pool::stats s = f.conns->stats();
    CHECK(s.idle == 1);
    CHECK(s.lent == 0);
    CHECK(s.dialing == 0);
    CHECK(s.waiting == 0);
}
