// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <pool/pool.hpp>

#include <clients/redis_server.hpp>
#include <support/loopback_listener.hpp>

/// @file
/// Servers of Redis that go away, that refuse, and that do not answer.

namespace redis_test {

using namespace std::chrono_literals;
using redis_pool = pool::bounded_pool<hiredis::connection_key, hiredis::connection>;

static std::string ping(hiredis::connection& c) { return text_of(c.command("PING")); }

/// Waits until the end that the server has sent has arrived.
static void await_end(int socket) {
    char none = 0;
    CHECK(::recv(socket, &none, 1, MSG_PEEK) == 0);
}

static std::errc code_of_dial(const hiredis::connection_key& key, const pool::dial_context& limits) {
    try {
        hiredis::dial{}(key, limits);
    } catch (const std::system_error& e) {
        CHECK(std::string_view{e.what()}.starts_with("redis://127.0.0.1:" + std::to_string(key.port)));
        return static_cast<std::errc>(e.code().value());
    }
    return {};
}

TEST_CASE("redis: idle connections that the server has closed are not lent") {
    server redis;
    auto admin = hiredis::dial{}(redis.key());
    redis_pool conns{{.max_open = 3, .acquire_timeout = 1min}, hiredis::dial{}};
    const auto fill = [&] { conns.prewarm(redis.key(), 3); };

    fill();
    admin.command("CLIENT KILL TYPE normal");
    CHECK(conns.invoke(redis.key(), ping) == "PONG");
    CHECK(conns.stats().found_unhealthy == 2);  // after two the pool dials

    fill();
    redis.stop();
    redis.start();
    CHECK(conns.invoke(redis.key(), ping) == "PONG");
    CHECK(conns.stats().failed_dials == 0);
}

TEST_CASE("redis: an error says whether the server may have executed something") {
    const server redis;
    auto admin = hiredis::dial{}(redis.key());
    const auto origin_of = [&](auto use_before) {
        auto c = hiredis::dial{}(redis.key());
        const int socket = c.get()->fd;
        c.clean();
        use_before(c);
        admin.command("CLIENT KILL TYPE normal");
        await_end(socket);
        try {
            c.command("PING");
        } catch (const hiredis::error& e) {
            CHECK(c.closed());
            CHECK(hiredis::not_executed(e) == (e.from() == hiredis::error::origin::unsent));
            return e.from();
        }
        return hiredis::error::origin::reply;
    };
    CHECK(origin_of([](hiredis::connection&) {}) == hiredis::error::origin::unsent);
    CHECK(origin_of(ping) == hiredis::error::origin::connection);
    CHECK(origin_of([](hiredis::connection& c) { c.get(); }) == hiredis::error::origin::connection);
    CHECK(origin_of([](hiredis::connection& c) { ping(c), c.clean(); }) == hiredis::error::origin::unsent);
}

TEST_CASE("redis: a call that was not sent is made again") {
    const server redis;
    auto admin = hiredis::dial{}(redis.key());
    redis_pool conns{{.max_open = 1, .acquire_timeout = 1min}, hiredis::dial{}};
    conns.invoke(redis.key(), ping);
    int calls = 0;
    const int socket = conns.invoke(redis.key(), [](hiredis::connection& c) { return c.get()->fd; });
    const auto count = [&](hiredis::connection& c) {
        if (++calls == 1) {  // after the check
            admin.command("CLIENT KILL TYPE normal");
            await_end(socket);
        }
        return c.command("INCR counted")->integer;
    };
    CHECK(conns.get(redis.key()).invoke(pool::retry_stale{hiredis::not_executed}, count) == 1);
    CHECK(calls == 2);
}

TEST_CASE("redis: a server that is full says so") {
    const server redis{"--maxclients 3"};
    redis_pool conns{{.max_open = 8, .acquire_timeout = 1min}, hiredis::dial{}};
    std::vector<redis_pool::lease_type> lent;
    for (int i = 0; i < 3; ++i) lent.push_back(conns.acquire(redis.key()));
    const std::string what =
        pool::key_traits<hiredis::connection_key>::describe(redis.key()) + ": redis: ERR max number of clients reached";
    CHECK_THROWS_WITH_AS((void)conns.acquire(redis.key()), what.c_str(), hiredis::error);
    lent.pop_back();
    CHECK(ping(*conns.acquire(redis.key())) == "PONG");
}

TEST_CASE("redis: a Unix socket") {
    const std::string path = "/tmp/pool_redis_socket_" + std::to_string(::getpid());
    const server redis{"--unixsocket " + path};
    redis_pool conns{{.max_open = 1, .acquire_timeout = 1min}, hiredis::dial{}};
    const auto key = hiredis::connection_key::from_url("unix://" + path + "?db=2");
    CHECK(conns.invoke(key, ping) == "PONG");
    const auto db = [](hiredis::connection& c) { return field(text_of(c.command("CLIENT INFO")), "db"); };
    CHECK(conns.invoke(key, db) == "2");
    CHECK(conns.stats().dials == 1);

    const auto too_long = '/' + std::string(200, 'x');
    CHECK_THROWS_AS(hiredis::dial{}(hiredis::connection_key{.host = too_long}, {}), hiredis::error);
}

TEST_CASE("redis: a refused login has the words of the server, and not the password") {
    const server redis{"--requirepass geheim"};
    const auto what_of = [&](hiredis::login as) {
        auto key = redis.key();
        key.as = std::move(as);
        try {
            hiredis::dial_to{key}();
        } catch (const hiredis::error& e) {
            return std::string{e.what()};
        }
        return std::string{"no error"};
    };
    CHECK(what_of({.password = "geheim"}) == "no error");
    CHECK(what_of({.user = "default", .password = "geheim"}) == "no error");
    const std::string wrong = what_of({.password = "hidden"});
    CHECK(wrong.find("WRONGPASS") != wrong.npos);
    CHECK(wrong.find("hidden") == wrong.npos);
    CHECK(what_of({}).find("NOAUTH") != std::string::npos);
}

TEST_CASE("redis: a dial ends at its deadline and on a stop request") {
    const support::loopback_listener silent{8};
    CHECK(code_of_dial({.port = silent.port()}, {.deadline = std::chrono::steady_clock::now() + 20ms}) ==
          std::errc::timed_out);

    std::stop_source source;
    std::jthread stopper{[&] { source.request_stop(); }};
    CHECK(code_of_dial({.port = silent.port()}, {.stop = source.get_token()}) == std::errc::operation_canceled);

    const support::loopback_listener full{0};  // its queue takes one, and what comes then is not even connected
    const auto hold = [&] {
        return pool::adapters::kernel::connect_to_host(
            "127.0.0.1", full.port(), {.deadline = std::chrono::steady_clock::now() + 50ms});
    };
    std::vector<pool::adapters::kernel::owned_socket> held;
    try {
        for (;;) held.push_back(hold());
    } catch (const std::system_error& e) {
        CHECK(e.code() == std::errc::timed_out);
    }
    CHECK(code_of_dial({.port = full.port()}, {.deadline = std::chrono::steady_clock::now() + 20ms}) ==
          std::errc::timed_out);
}

TEST_CASE("redis: a server without RESET is refused, with the way out") {
    const support::loopback_listener old{8};
    std::jthread answers{[&] {
        const int accepted = ::accept(old.fd(), nullptr, nullptr);
        char request[512];
        (void)!::recv(accepted, request, sizeof request, 0);
        constexpr std::string_view said = "-ERR unknown command `RESET`, with args beginning with: \r\n";
        (void)!::send(accepted, said.data(), said.size(), MSG_NOSIGNAL);
        ::close(accepted);
    }};
    try {
        hiredis::dial{}({.port = old.port()}, {});
        FAIL("it is connected");
    } catch (const hiredis::error& e) {
        CHECK(std::string_view{e.what()}.find("unknown command `RESET`") != std::string_view::npos);
        CHECK(std::string_view{e.what()}.ends_with("reset::all needs Redis 6.2"));
    }
}

TEST_CASE("redis: an answer to an older PING is not taken for the end of a reset") {
    const support::loopback_listener peer{8};
    std::jthread answers{[&] {
        const int accepted = ::accept(peer.fd(), nullptr, nullptr);
        char request[512];
        const auto size = ::recv(accepted, request, sizeof request, 0);
        const std::string_view asked{request, size > 0 ? static_cast<std::size_t>(size) : 0};
        const auto nonce = asked.substr(asked.find("PING\r\n") + 6);  // it is already as a reply has it
        for (const std::string& said : {"+RESET\r\n" + std::string{nonce}, std::string{"+RESET\r\n$6\r\npool:1\r\n"}}) {
            (void)!::send(accepted, said.data(), said.size(), MSG_NOSIGNAL);
            (void)!::recv(accepted, request, sizeof request, 0);
        }
        ::close(accepted);
    }};
    auto c = hiredis::dial{}({.port = peer.port()});
    CHECK_THROWS_WITH_AS(c.clean(), "redis: a reply is left over: the connection is out of step", hiredis::error);
}

TEST_CASE("redis: a connection is moved, abandoned and closed once") {
    const server redis;
    auto admin = hiredis::dial{}(redis.key());
    auto first = hiredis::dial{}(redis.key());
    auto second = std::move(first);
    CHECK(first.released());
    CHECK(first.closed());
    CHECK(first.why_dead() == "no connection");
    CHECK_THROWS_AS(first.command("PING"), hiredis::error);
    second = hiredis::dial{}(redis.key());
    CHECK(ping(second) == "PONG");
    second.close();
    CHECK(second.released());
    auto third = hiredis::dial{}(redis.key());
    redisContext* const forgotten = third.get();
    third.abandon();
    redisFreeKeepFd(forgotten);
    CHECK(third.released());
    CHECK(count_others(admin) == 0);
    CHECK(redisReconnect(admin) == REDIS_ERR);  // it would be another connection, without its login
    CHECK(admin.closed());
    CHECK_THROWS_AS((hiredis::dial{{.reset_timeout = 0ms}}({}, {})), std::invalid_argument);
}

}  // namespace redis_test
