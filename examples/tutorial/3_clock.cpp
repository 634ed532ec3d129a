// SPDX-License-Identifier: BSL-1.0
#include <cerrno>
#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <pool/pool.hpp>

#include "client.hpp"

using namespace std::chrono_literals;

// [fakes]
struct fake_server {
    int dials = 0;
    int closes = 0;
    int restarts = 0;  // a connection from before a restart is dead, which only a request finds out
};

struct fake_connection {
    fake_server* server;
    int opened_at = 0;  // how many restarts there had been
    bool open = true;

    std::string ask(std::string_view line) {
        if (opened_at != server->restarts) throw tutorial::went_away{ECONNRESET, std::generic_category(), "fake"};
        return std::string{line};
    }

    void close() {
        open = false;
        ++server->closes;
    }
    bool closed() const noexcept { return !open; }
    bool unblocked() const noexcept { return true; }
};
// [/fakes]

// [fixture]
struct fixture {
    pool::manual_clock clock;  // copies share one time: the test moves this one, and the pool's follows
    pool::basic_pool<std::string, fake_connection, pool::bounded, pool::after_idle, std::mutex, pool::manual_clock>
        connections{pool::bounded{.max_idle_per_key = 2}, 30s, {.name = "test"}, clock};
    fake_server server;

    fake_connection dial() {
        ++server.dials;
        return {.server = &server, .opened_at = server.restarts};
    }
    std::string ask(std::string_view line) {
        const auto open = [this](const std::string&) { return dial(); };
        return tutorial::ask(connections, "echo", open, line);
    }
};
// [/fixture]

// [expiry]
TEST_CASE_FIXTURE(fixture, "ask: a connection is reused until it has been idle for 30 seconds") {
    CHECK(ask("one") == "one");
    clock.advance(29s);
    CHECK(ask("two") == "two");
    CHECK(server.dials == 1);

    clock.advance(30s);
    CHECK(connections.expire() == 1);
    CHECK(server.closes == 1);
    CHECK(ask("three") == "three");
    CHECK(server.dials == 2);
}
// [/expiry]

// [retry]
TEST_CASE_FIXTURE(fixture, "ask: asks again where a reused connection is dead, and closes the dead one") {
    ask("one");
    ++server.restarts;
    CHECK(ask("two") == "two");
    CHECK(server.dials == 2);
    CHECK(server.closes == 1);
}

TEST_CASE_FIXTURE(fixture, "ask: a failure on a new connection reaches the caller") {
    const auto dead = [this](const std::string&) {
        fake_connection conn = dial();
        conn.opened_at = -1;
        return conn;
    };
    CHECK_THROWS_AS(tutorial::ask(connections, "echo", dead, "one"), tutorial::went_away);
    CHECK(server.dials == 1);
    CHECK(server.closes == 1);
}
// [/retry]
