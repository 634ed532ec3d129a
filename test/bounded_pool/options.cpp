// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <future>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <pool/bounded_pool.hpp>

#include <support/bounded_pool.hpp>
#include <support/fake.hpp>

namespace {

using namespace std::chrono_literals;

using clocked_pool = pool::bounded_pool<std::string, fake::connection, pool::manual_clock>;
using caller = bounded_pools::caller<clocked_pool>;

constexpr auto id = &fake::connection::id;

/// The error of a pool with these options.
std::string refusal(pool::bounded_pool_options options) {
    options.name = "db";
    try {
        const clocked_pool conns{options};
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "no error";
}

}  // namespace

TEST_CASE("bounded_pool: max_open bounds all keys together") {
    fake::network net;
    clocked_pool conns{{.max_open = 2}};
    const auto first = conns.acquire("a", net.dialer());
    const auto second = conns.acquire("b", net.dialer());
    CHECK_THROWS_AS((void)conns.acquire("c", net.dialer(), 0s), pool::acquire_timeout);
    caller waits{conns, [&](std::stop_token stop) { return conns.acquire("c", net.dialer(), stop); }};
    CHECK(conns.stats().waiting == 1);
    waits.cancel();
}

TEST_CASE("bounded_pool: max_open_per_key bounds each key") {
    fake::network net;
    clocked_pool conns{{.max_open_per_key = 1}};
    const auto first = conns.acquire("a", net.dialer());
    const auto other = conns.acquire("b", net.dialer());
    caller waits{conns, [&](std::stop_token stop) { return conns.acquire("a", net.dialer(), stop); }};
    CHECK(conns.stats("a").waiting == 1);
    waits.cancel();
}

TEST_CASE("bounded_pool: max_idle and max_idle_per_key bound what is idle [C2]") {
    fake::network net;
    clocked_pool conns{{.max_idle = 2, .max_idle_per_key = 1}};
    for (const char* key : {"a", "a", "b", "c"}) conns.put(key, net.dial());
    CHECK(net.closed() == std::vector{1, 2});
}

TEST_CASE("bounded_pool: max_waiting bounds the callers that wait") {
    fake::network net;
    clocked_pool conns{{.max_open = 1, .max_waiting = 0}};
    const auto lent = conns.acquire("a", net.dialer());
    CHECK_THROWS_AS((void)conns.acquire("a", net.dialer()), pool::queue_full);
}

TEST_CASE("bounded_pool: by default, two dials of a key run at once, and a peer that hangs leaves the rest to others") {
    fake::network net;
    clocked_pool conns{{.max_open = 4}};
    bounded_pools::gate first;
    bounded_pools::gate second;
    const auto hang = [&](bounded_pools::gate& gate) {
        return caller{[&](const std::stop_token&) {
            return conns.acquire("hangs", [&](const std::string&) {
                gate.pass();
                return net.dial();
            });
        }};
    };
    caller one = hang(first);
    caller two = hang(second);
    first.reached.wait();
    second.reached.wait();

    caller three{conns, [&](const std::stop_token&) { return conns.acquire("hangs", net.dialer()); }};
    CHECK(conns.stats("hangs").dialing == 2);
    CHECK(conns.stats("hangs").waiting == 1);
    CHECK(conns.acquire("answers", net.dialer())->id() == 1);
    first.open.count_down();
    second.open.count_down();
}

TEST_CASE("bounded_pool: max_dials_per_key may be another number") {
    fake::network net;
    clocked_pool conns{{.max_open = 4, .max_dials_per_key = 1}};
    bounded_pools::gate dial;
    caller one{[&](const std::stop_token&) {
        return conns.acquire("a", [&](const std::string&) {
            dial.pass();
            return net.dial();
        });
    }};
    dial.reached.wait();
    caller two{conns, [&](const std::stop_token&) { return conns.acquire("a", net.dialer()); }};
    CHECK(conns.stats("a").dialing == 1);
    dial.open.count_down();
}

TEST_CASE("bounded_pool: closes by itself a connection that has been idle for the expiration [C7]") {
    fake::network net;
    pool::manual_clock clock;
    std::promise<int> closed;
    net.prepare([&](fake::line& line) { line.on_close = [&] { closed.set_value(line.id); }; });
    clocked_pool conns{{.expiration = 10s}, clock};
    conns.put("a", net.dial());
    clock.advance(10s);
    CHECK(closed.get_future().get() == 1);
}

TEST_CASE("bounded_pool: with an expiration of zero, the default, connections never expire") {
    fake::network net;
    pool::manual_clock clock;
    clocked_pool conns{{}, clock};
    conns.put("a", net.dial());
    clock.advance(pool::manual_clock::duration::max());
    CHECK(conns.expire() == 0);
    CHECK(conns.try_acquire("a"));
}

TEST_CASE("bounded_pool: connections have a lifetime, and a number of uses [C7]") {
    fake::network net;
    pool::manual_clock clock;
    std::promise<int> closed;
    net.prepare([&](fake::line& line) {
        if (line.id == 1) line.on_close = [&] { closed.set_value(line.id); };
    });
    clocked_pool conns{{.lifetime = 10s, .lifetime_jitter = 0, .max_uses = 2}, clock};
    conns.put("a", net.dial());
    clock.advance(10s);
    CHECK(closed.get_future().get() == 1);
    for (int i = 0; i != 4; ++i) CHECK(conns.get("a", net.dialer()).invoke(&fake::connection::id) == i / 2 + 2);
}

TEST_CASE("bounded_pool: with a new expiration, its thread plans anew [C7]") {
    fake::network net;
    pool::manual_clock clock;
    std::promise<int> closed;
    net.prepare([&](fake::line& line) { line.on_close = [&] { closed.set_value(line.id); }; });
    clocked_pool conns{{.expiration = 1h}, clock};
    conns.put("a", net.dial());
    CHECK(conns.reconfigure(pool::any_of{pool::after_idle{10s}, pool::after_lifetime{}, pool::after_uses{}}) == 0);
    clock.advance(10s);
    CHECK(closed.get_future().get() == 1);
}

TEST_CASE("bounded_pool: lends the newest connection first if connections expire, and else the oldest [C4]") {
    const auto lent_first = [](const pool::bounded_pool_options& chosen) {
        fake::network net;
        clocked_pool conns{chosen};
        for (int i = 0; i < 2; ++i) conns.put("a", net.dial());
        return conns.try_acquire("a")->id();
    };
    constexpr int oldest = 1;
    constexpr int newest = 2;
    CHECK(lent_first({}) == oldest);
    CHECK(lent_first({.expiration = std::chrono::nanoseconds::max()}) == oldest);
    CHECK(lent_first({.expiration = 10s}) == newest);
    CHECK(lent_first({.reuse = pool::reuse_order::newest_first}) == newest);
    CHECK(lent_first({.expiration = 10s, .reuse = pool::reuse_order::oldest_first}) == oldest);
}

TEST_CASE("bounded_pool: its name is in its errors") {
    fake::network net;
    clocked_pool conns{{.name = "shards"}};
    conns.close();
    CHECK_THROWS_WITH_AS((void)conns.acquire("a", net.dialer()),
        "pool \"shards\": no connection for key \"a\": the pool is closed (0 idle, 0 lent)", pool::pool_closed);
}

TEST_CASE("bounded_pool: options with which no call could succeed are refused, and the message names the pool") {
    CHECK(refusal({.max_open = 0}) == "pool \"db\": max_open is 0, so nothing could ever be opened");
    CHECK(refusal({.max_open_per_key = 0}) == "pool \"db\": max_open_per_key is 0, so nothing could ever be opened");
    CHECK(refusal({.max_dials_per_key = 0}) == "pool \"db\": max_dials_per_key is 0, so nothing could ever be opened");
    CHECK(refusal({.acquire_timeout = -1ns}) == "pool \"db\": acquire_timeout is negative");
    CHECK(refusal({.max_open = 1, .max_open_per_key = 1, .max_waiting = 0}) == "no error");
}

TEST_CASE("bounded_pool: a negative bound is refused") {
    const int negative = -1;
    CHECK_THROWS_WITH_AS(
        ((void)pool::bounded_pool_options{.max_open = negative}), "pool: a bound is negative: -1", std::invalid_argument);
}

TEST_CASE("bounded_pool: reconfigure replaces the bounds, and keeps the timeout") {
    fake::network net;
    pool::manual_clock clock;
    clocked_pool conns{{.max_open = 1, .acquire_timeout = 10s}, clock};
    conns.reconfigure({.max_open = 2});
    const auto first = conns.acquire("a", net.dialer());
    const auto second = conns.acquire("a", net.dialer());
    caller waits{conns, [&](const std::stop_token&) { return conns.acquire("a", net.dialer()); }};
    clock.advance(10s);
    CHECK_THROWS_AS((void)waits.got(), pool::acquire_timeout);
}

TEST_CASE("bounded_pool: a lazy connection may outlive the pool and its thread [C11]") {
    fake::network net;
    pool::manual_clock clock;
    std::optional<clocked_pool> conns{std::in_place, pool::bounded_pool_options{.expiration = 10s}, clock};
    auto peer = conns->get("a", net.dialer());
    peer.invoke([&](fake::connection&) { conns.reset(); });
    CHECK(net.closed() == std::vector{1});
    CHECK_THROWS_AS(peer.invoke(id), pool::pool_closed);
}
