// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <pool/dial/backing_off.hpp>
#include <pool/pool.hpp>
#include <pool/testing/gate.hpp>

#include <support/bounded_pool.hpp>
#include <support/fake.hpp>
#include <support/refusing_server.hpp>

// Pools whose dial backs off.

namespace {

using namespace std::chrono_literals;

/// The error of an acquire, or "".
template <class Pool, class... Dial>
std::string error_of_acquire(Pool& conns, const Dial&... dial) {
    try {
        (void)conns.acquire("db", dial...);
        return "";
    } catch (const std::runtime_error& error) {
        return error.what();
    }
}

}  // namespace

TEST_CASE("backing_off: as the pool's own dial, and as that of its lazy connections") {
    fake::refusing_server server;
    pool::manual_clock clock;
    pool::connection_pool<std::string, fake::connection> conns{
        {}, pool::backing_off{server.dial(), {.first = 100ms, .jitter = 0}, clock}};
    auto lazy = conns.get("db");
    CHECK(error_of_acquire(conns) == "refused 1");
    CHECK(error_of_acquire(conns) == "refused 1");
    CHECK_THROWS_WITH_AS(lazy.invoke(&fake::connection::id), "refused 1", std::runtime_error);
    CHECK(conns.stats().failed_dials == 3);  // for the pool, each of these is a dial that failed
    clock.advance(100ms);
    server.up();
    CHECK(lazy.invoke(&fake::connection::id) == 1);
    CHECK(error_of_acquire(conns).empty());
    CHECK(server.dials.attempts() == 2);
}

TEST_CASE("backing_off: what is idle is lent, also in a delay") {
    fake::refusing_server server;
    server.up();
    pool::manual_clock clock;
    pool::local_pool<std::string, fake::connection> conns;
    pool::backing_off dial{server.dial(), {.first = 100ms, .jitter = 0}, clock};
    auto lent = conns.acquire("db", dial);
    server.down();
    CHECK(error_of_acquire(conns, dial) == "refused 2");
    lent.give_back();
    CHECK(conns.acquire("db", dial).reused());
    CHECK(server.dials.attempts() == 2);
}

TEST_CASE("backing_off: two pools share what they know, if they have copies of one dial") {
    fake::refusing_server server;
    pool::manual_clock clock;
    const pool::backing_off dial{server.dial(), {.first = 100ms, .jitter = 0}, clock};
    pool::bounded_pool<std::string, fake::connection> one{{.max_open = 1}, dial};
    pool::bounded_pool<std::string, fake::connection> other{{.max_open = 1}, dial};
    CHECK(error_of_acquire(one) == "refused 1");
    CHECK(error_of_acquire(other) == "refused 1");
    CHECK(server.dials.attempts() == 1);
}

TEST_CASE("backing_off: in a pool that bounds what is open, all that wait fail with the error of the one dial") {
    using pool_type = pool::basic_pool<std::string, fake::connection, pool::bounded_open, pool::never>;
    using caller = bounded_pools::caller<pool_type>;
    fake::refusing_server server;
    pool::testing::gate answer;
    server.dials.next([&](const auto&) {
        answer.pass();
        throw std::runtime_error{"refused"};
    });
    pool::backing_off dial{server.dial(), {.first = 1h, .most = 1h}};
    pool_type conns{pool::bounded_open{.max_open = 1}};
    const auto acquire = [&](const std::stop_token& stop) { return conns.acquire("db", dial, stop); };
    caller first{acquire};
    answer.await_arrivals();
    caller second{conns, acquire};
    caller third{conns, acquire};
    answer.open();
    CHECK(first.error() == "refused");
    CHECK(second.error() == "refused");
    CHECK(third.error() == "refused");
    CHECK(server.dials.attempts() == 1);
    CHECK(conns.stats().dialing == 0);
    CHECK(conns.stats().waiting == 0);
}

TEST_CASE("backing_off: a pool closes the dead connection of a dial, once, and later callers fail at once") {
    fake::refusing_server server;
    server.up();
    server.dials.prepare([](pool::testing::far_end& far) { far.dead = true; });
    pool::manual_clock clock;
    pool::bounded_pool<std::string, fake::connection> conns{
        {.max_open = 1, .name = "dbs"}, pool::backing_off{server.dial(), {.first = 100ms, .jitter = 0}, clock}};
    CHECK(error_of_acquire(conns) == "pool \"dbs\": no connection for key \"db\": the dial has returned a dead one");
    CHECK(error_of_acquire(conns) == "no connection for key \"db\": the dial has returned a dead one");
    CHECK(server.dials.attempts() == 1);
    CHECK(server.dials[1].closes == 1);
    CHECK(conns.stats().failed_dials == 2);
}

TEST_CASE("backing_off: a key that is down takes no permit from another one") {
    fake::refusing_server server;
    pool::manual_clock clock;
    const auto connect = [dial = server.dial(), net = pool::testing::fake_dialer{}](
                             const std::string& key) mutable { return key == "db" ? dial(key) : net(key); };
    pool::bounded_pool<std::string, fake::connection> conns{
        {.max_open = 1}, pool::backing_off{connect, {.first = 100ms, .jitter = 0}, clock}};
    CHECK(error_of_acquire(conns) == "refused 1");
    CHECK(error_of_acquire(conns) == "refused 1");
    CHECK(conns.invoke("cache", &fake::connection::id) == 1);
}
