// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <pool/asio/reaper.hpp>
#include <pool/basic_pool.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/expiry.hpp>

#include <support/fake.hpp>
#include <support/ids.hpp>

// A reaper that sweeps by a timer of the event loop.

using namespace std::chrono_literals;
namespace net = boost::asio;
using fake::ids;

TEST_CASE("asio: a reaper sweeps by a timer") {
    fake::network far;
    net::io_context loop;
    pool::basic_pool<std::string, fake::connection, pool::unlimited, pool::after_idle> conns{{}, pool::after_idle{1ms}};
    std::optional<pool::asio::reaper<decltype(conns)>> reaper{std::in_place, loop.get_executor(), conns};
    far.prepare([&](fake::line& line) { line.on_close = [&] { reaper.reset(); }; });
    conns.put("a", far.dial());
    loop.run();  // until the reaper has gone, by the close of what it found
    CHECK(far.closed() == ids{1});
    CHECK(conns.stats().expired == 1);
}

TEST_CASE("asio: a reaper that is gone sweeps no more, and an event loop with nothing else to do ends") {
    fake::network far;
    net::io_context loop;
    pool::basic_pool<std::string, fake::connection, pool::unlimited, pool::after_idle> conns{{}, pool::after_idle{0ms}};
    { const pool::asio::reaper<decltype(conns)> reaper{loop.get_executor(), conns}; }
    CHECK(loop.run() == 1);
}

TEST_CASE("asio: a reaper that is woken plans anew, with the pool's new expiry policy") {
    fake::network far;
    net::io_context loop;
    pool::basic_pool<std::string, fake::connection, pool::unlimited, pool::after_idle> conns{{}, pool::after_idle{1h}};
    std::optional<pool::asio::reaper<decltype(conns)>> reaper{std::in_place, loop.get_executor(), conns};
    far.prepare([&](fake::line& line) { line.on_close = [&] { reaper.reset(); }; });
    conns.put("a", far.dial());
    loop.run_one();  // now it sleeps for an hour
    REQUIRE(conns.reconfigure(pool::after_idle{1ms}) == 0);
    reaper->wake();
    loop.run();
    CHECK(far.closed() == ids{1});
}
