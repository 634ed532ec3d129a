// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <doctest/doctest.h>
#include <signal.h>

#include <pool/adapters/libpq_asio.hpp>
#include <pool/asio.hpp>
#include <pool/pool.hpp>

#include <clients/postgres_server.hpp>

// Connections of libpq that block no thread.

namespace postgres_asio {

using namespace std::chrono_literals;
using boost::asio::awaitable;
using boost::asio::use_awaitable;
using pool::libpq::async_connection;
using pool::libpq::result;
using postgres::text;
using connections = pool::basic_pool<pool::libpq::connection_key, async_connection, pool::bounded_open>;

pool::libpq::async_dial quiet_dial(std::chrono::nanoseconds reset_timeout = 5s) {
    return pool::libpq::async_dial{{.reset_timeout = reset_timeout, .on_notice = [](void*, const char*) {}}};
}

/// Runs a coroutine to its end. What it throws is thrown.
void run(boost::asio::io_context& context, awaitable<void> what) {
    std::exception_ptr error;
    boost::asio::co_spawn(context, std::move(what), [&](std::exception_ptr thrown) { error = thrown; });
    context.restart();
    context.run();
    if (error != nullptr) std::rethrow_exception(error);
}

// g++ 12 has no initializer lists in the middle of a `co_await`.
awaitable<result> echo(async_connection& c, const std::string& nonce) {
    return c.async_execute("select $1::text || ' ' || current_user", {nonce.c_str()}, use_awaitable);
}

TEST_CASE("postgres_asio: nothing of what a user leaves behind reaches the next one") {
    postgres::database& db = postgres::shared_database();
    const auto key = db.key();
    for (const postgres::misdeed& each : postgres::misdeeds) {
        CAPTURE(each.name);
        boost::asio::io_context context;
        connections conns{{.max_open = 1}};
        const auto dial = quiet_dial();
        const auto use = [&](auto with) -> awaitable<void> {
            auto lent = co_await pool::asio::async_acquire(conns, key, dial, 10s, use_awaitable);
            with(*lent);
        };
        run(context, use(each.commit));
        CHECK(conns.stats().idle == each.is_kept);
        run(context, use(postgres::check_clean));
        CHECK(conns.stats().dials == 1u + !each.is_kept);
    }
}

TEST_CASE("postgres_asio: a command that fails throws what the server says, and its connection is kept") {
    postgres::database& db = postgres::shared_database();
    const auto key = db.key();
    const auto dial = quiet_dial();
    boost::asio::io_context context;
    connections conns{{.max_open = 1}};
    const auto bad_command = [](async_connection& c) -> awaitable<void> {
        co_await c.async_execute("selec 1", use_awaitable);
    };
    const auto fail = [&]() -> awaitable<void> {
        co_await pool::asio::async_invoke(conns, key, dial, bad_command, use_awaitable);
    };
    try {
        run(context, fail());
        FAIL("the server has accepted it");
    } catch (const pool::libpq::error& e) {
        CHECK(e.sqlstate() == "42601");
    }
    const auto begin_copy = [&]() -> awaitable<void> {
        auto lent = co_await pool::asio::async_acquire(conns, key, dial, use_awaitable);
        co_await lent->async_execute("copy kept from stdin", use_awaitable);
    };
    CHECK_THROWS_AS(run(context, begin_copy()), std::invalid_argument);
    CHECK(conns.stats().lent == 0);
}

TEST_CASE("postgres_asio: a dial says what the server has said") {
    postgres::database& db = postgres::shared_database();
    boost::asio::io_context context;
    connections conns{{.max_open = 1}};
    const auto acquire = [&](std::string url) -> awaitable<void> {
        (void)co_await pool::asio::async_acquire(
            conns, pool::libpq::connection_key{url}, quiet_dial(), pool::asio::with_exceptions{use_awaitable});
    };
    CHECK_THROWS_WITH_AS(run(context, acquire(db.url() + "?user=nobody")),
        doctest::Contains("role \"nobody\" does not exist"), pool::libpq::error);
    CHECK_THROWS_WITH_AS(
        run(context, acquire("host=127.0.0.1 port=1")), doctest::Contains("Connection refused"), pool::libpq::error);
    CHECK(conns.stats().lent == 0);
}

TEST_CASE("postgres_asio: a dial that nobody answers ends with its caller") {
    const support::loopback_listener peer;
    boost::asio::io_context context;
    connections conns{{.max_open = 1}};
    const auto acquire = [&]() -> awaitable<void> {
        (void)co_await pool::asio::async_acquire(conns, postgres::key_of(peer), quiet_dial(), 20ms, use_awaitable);
    };
    CHECK_THROWS_AS(run(context, acquire()), boost::system::system_error);
    CHECK(conns.stats().dialing == 0);  // the context has run to its end: the dial has ended, too
    CHECK(conns.stats().failed_dials == 1);
}

TEST_CASE("postgres_asio: a connection whose server does not answer in time is not kept") {
    postgres::database& db = postgres::shared_database();
    boost::asio::io_context context;
    connections conns{{.max_open = 1}};
    int server = 0;
    const auto use = [&]() -> awaitable<void> {
        const auto dial = pool::libpq::async_dial{{.reset_timeout = 50ms, .close_timeout = 50ms}};
        auto lent = co_await pool::asio::async_acquire(conns, db.key(), dial, use_awaitable);
        server = PQbackendPID(*lent);
        REQUIRE(::kill(server, SIGSTOP) == 0);
    };
    run(context, use());
    ::kill(server, SIGCONT);
    CHECK(conns.stats().failed_resets == 1);
    CHECK(conns.stats().idle == 0);
}

TEST_CASE("postgres_asio: connections are kept alive, and those that the server has ended are not lent") {
    postgres::database& db = postgres::shared_database();
    boost::asio::io_context context;
    connections conns{{.max_open = 2}, {}, {.keep_alive_every = 1ns}};
    const auto dial = quiet_dial();
    const auto use = [&]() -> awaitable<void> {
        auto lent = co_await pool::asio::async_acquire(conns, db.key(), dial, use_awaitable);
        postgres::check_clean(*lent);
    };
    run(context, use());
    conns.upkeep();
    context.restart();
    context.run();
    CHECK(conns.stats().kept_alive == 1);
    CHECK(conns.stats().idle == 1);
    const auto admin = db.admin();
    admin->execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pooled'");
    while (text(admin->execute(postgres::count_pooled)) != "0") {
    }
    run(context, use());
    CHECK(conns.stats().found_unhealthy == 1);
    CHECK(conns.stats().dials == 2);
}

TEST_CASE("postgres_asio: under load no answer reaches another user") {
    postgres::database& db = postgres::shared_database();
    const auto key = db.key();
    boost::asio::io_context context;
    connections conns{{.max_open = 4}};
    const auto dial = quiet_dial();
    std::size_t served = 0, misbehaved = 0, wrong = 0, failed = 0;
    const auto call = [&](int caller) -> awaitable<void> {
        for (int i = 0; i != 500; ++i) {
            try {
                auto lent = co_await pool::asio::async_acquire(conns, key, dial, use_awaitable);
                if ((i + caller) % 10 == 0) {
                    ++misbehaved;
                    const auto& what =
                        postgres::misdeeds[static_cast<std::size_t>(i / 10) % std::size(postgres::misdeeds)];
                    what.commit(*lent);
                    continue;
                }
                const std::string nonce = std::to_string(caller) + '-' + std::to_string(i);
                const result got = co_await echo(*lent, nonce);
                wrong += text(got) != nonce + " test";
                ++served;
            } catch (const std::exception& e) {
                ++failed;
                MESSAGE(e.what());
            }
        }
    };
    for (int caller = 0; caller != 10; ++caller)
        boost::asio::co_spawn(context, call(caller), [](std::exception_ptr thrown) { CHECK(thrown == nullptr); });
    context.run();
    std::printf("postgres, asynchronous: %zu served, %zu misbehaved, %zu wrong, %zu failed\n", served, misbehaved,
        wrong, failed);
    CHECK(served == 4'500);
    CHECK(wrong == 0);
    CHECK(failed == 0);
    CHECK(conns.stats().lent == 0);
}

}  // namespace postgres_asio
