// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/version.hpp>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <doctest/doctest.h>

#include <pool/adapters/beast_ssl.hpp>
#include <pool/asio.hpp>
#include <pool/pool.hpp>

#include <clients/http_certificates.hpp>
#include <clients/http_peer.hpp>
#include <support/latch.hpp>

#if BOOST_VERSION >= 107700
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#endif

// Connections of HTTP that block no thread.

namespace http_asio {

using namespace std::chrono_literals;
using namespace http_test;
using boost::asio::awaitable;
using boost::asio::use_awaitable;
namespace beast = pool::beast;
using connection = beast::async_ssl_connection;
using connections = pool::basic_pool<beast::connection_key, connection, pool::bounded_open>;

/// Runs a coroutine to its end. What it throws is thrown.
static void run(boost::asio::io_context& context, awaitable<void> what) {
    std::exception_ptr error;
    boost::asio::co_spawn(context, std::move(what), [&](std::exception_ptr thrown) { error = thrown; });
    context.restart();
    context.run();
    if (error != nullptr) std::rethrow_exception(error);
}

static awaitable<std::string> body_of(connection& c) {
    auto request = get();
    auto response = co_await c.async_exchange(std::move(request), use_awaitable);
    co_return response.body();
}

/// The code of an error of HTTP.
static std::error_code code_of(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const beast::error& e) {
        return e.code();
    }
}

TEST_CASE("http_asio: a connection is kept, for keys of both schemes") {
    const authority by;
    const auto context = server_context(by.local);
    const server safe{answers(ok), context.get()};
    const server plain{answers(ok)};
    auto safe_key = safe.https_key();
    safe_key.certificate_authorities = by.file;
    auto plain_key = plain.key();
    plain_key.host = "localhost";  // is looked up

    boost::asio::io_context io;
    connections conns{{.max_open = 2}};
    const beast::async_ssl_dial dial;
    std::string all;
    const auto use = [&]() -> awaitable<void> {
        for (int i = 0; i < 3; ++i) {
            all += co_await pool::asio::async_invoke(conns, safe_key, dial, 1min, body_of, use_awaitable);
            all += co_await pool::asio::async_invoke(conns, plain_key, dial, 1min, body_of, use_awaitable);
        }
    };
    run(io, use());
    CHECK(all == "hellohellohellohellohellohello");
    CHECK(conns.stats().dials == 2);
    CHECK(conns.stats().idle == 2);
}

TEST_CASE("http_asio: the dial of a pool of one peer holds its key") {
    const server peer{answers(ok)};
    boost::asio::io_context io;
    pool::basic_pool<pool::no_key, beast::async_connection, pool::bounded_open> conns{{.max_open = 1}};
    std::string all;
    const auto call = [](beast::async_connection& c) -> awaitable<std::string> {
        auto request = get();
        auto response = co_await c.async_exchange(std::move(request), use_awaitable);
        co_return response.body();
    };
    const auto use = [&]() -> awaitable<void> {
        const beast::async_dial_to dial{peer.key()};
        for (int i = 0; i < 2; ++i) all += co_await pool::asio::async_invoke(conns, dial, 1min, call, use_awaitable);
    };
    run(io, use());
    CHECK(all == "hellohello");
    CHECK(conns.stats().dials == 1);
}

TEST_CASE("http_asio: a connection that its server closes, or has closed, is not lent again") {
    latch has_answer{1};
    const server peer{[&](conversation& with, int number) {
        with.read_request();
        with.send(ok);
        if (number == 1) has_answer.wait();
        else with.read_to_end();
    }};
    boost::asio::io_context io;
    connections conns{{.max_open = 1}};
    int socket = -1;
    const auto call = [&](connection& c) -> awaitable<std::string> {
        socket = c.native_handle();
        return body_of(c);
    };
    const auto use = [&]() -> awaitable<void> {
        co_await pool::asio::async_invoke(conns, peer.key(), beast::async_ssl_dial{}, call, use_awaitable);
    };
    run(io, use());
    has_answer.count_down();
    wait_for_input(socket);
    run(io, use());
    CHECK(conns.stats().found_unhealthy == 1);

    const server closes{answers("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")};
    const auto use_closing = [&]() -> awaitable<void> {
        co_await pool::asio::async_invoke(conns, closes.key(), beast::async_ssl_dial{}, body_of, use_awaitable);
        CHECK(conns.stats().idle == 0);
    };
    run(io, use_closing());
}

TEST_CASE("http_asio: a body in pieces") {
    const server peer{answers(ok)};
    boost::asio::io_context io;
    connections conns{{.max_open = 1}};
    std::string body;
    const auto read = [&](std::size_t most) -> awaitable<void> {
        const auto use = [&](connection& c) -> awaitable<void> {
            auto request = get();
            const auto header = co_await c.async_begin(std::move(request), use_awaitable);
            CHECK(header.result() == http::status::ok);
            char piece[2];
            body.clear();
            while (body.size() < most) {
                const std::size_t got = co_await c.async_read_some(boost::asio::buffer(piece), use_awaitable);
                if (got == 0) break;
                body.append(piece, got);
            }
        };
        co_await pool::asio::async_invoke(conns, peer.key(), beast::async_ssl_dial{}, use, use_awaitable);
    };
    run(io, read(100));
    CHECK(body == "hello");
    CHECK(conns.stats().idle == 1);
    run(io, read(2));
    CHECK(body == "he");
    CHECK(conns.stats().idle == 0);
    CHECK(conns.stats().dials == 1);
}

TEST_CASE("http_asio: an exchange that takes too long ends, and its connection, too") {
    const server silent{[](conversation& with, int) { with.read_to_end(); }};
    boost::asio::io_context io;
    connections conns{{.max_open = 1}};
    std::exception_ptr error;
    const auto use = [&]() -> awaitable<void> {
        const beast::async_ssl_dial dial{{.exchange_timeout = 20ms}};
        try {
            co_await pool::asio::async_invoke(conns, silent.key(), dial, body_of, use_awaitable);
        } catch (const beast::error&) {
            error = std::current_exception();
        }
    };
    run(io, use());
    REQUIRE(error != nullptr);
    CHECK(code_of(error) == std::errc::timed_out);
    CHECK(conns.stats().idle == 0);
    CHECK(conns.stats().lent == 0);
}

TEST_CASE("http_asio: an exchange within its time is not disturbed by the timer of an earlier one") {
    const server peer{answers(ok)};
    boost::asio::io_context io;
    connections conns{{.max_open = 1}};
    const beast::async_ssl_dial dial{{.exchange_timeout = 1min}};
    const auto use = [&]() -> awaitable<void> {
        for (int i = 0; i < 100; ++i)
            co_await pool::asio::async_invoke(conns, peer.key(), dial, body_of, use_awaitable);
    };
    run(io, use());  // returns at once: no timer is left
    CHECK(conns.stats().dials == 1);
}

TEST_CASE("http_asio: another exchange before the end of one is refused") {
    latch may_answer{1};
    const server peer{[&](conversation& with, int) {
        with.read_request();
        may_answer.wait();
        with.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");  // no body: it is an answer to HEAD
        with.read_to_end();
    }};
    boost::asio::io_context io;
    std::vector<std::string> order;
    const auto use = [&]() -> awaitable<void> {
        connections conns{{.max_open = 1}};
        auto lent = co_await pool::asio::async_acquire(conns, peer.key(), beast::async_ssl_dial{}, use_awaitable);
        bool is_over = false;
        http::request<http::empty_body> head{http::verb::head, "/", 11};
        lent->async_exchange(head, [&](std::exception_ptr failed, const http::response<http::string_body>& got) {
            CHECK(failed == nullptr);
            order.push_back(std::to_string(got.result_int()));
            is_over = true;
        });
        CHECK(!lent->unblocked());
        try {
            co_await lent->async_exchange(get(), use_awaitable);
        } catch (const beast::error& e) {
            CHECK(e.code() == std::errc::operation_in_progress);
            order.push_back("refused");
        }
        may_answer.count_down();
        while (!is_over) co_await boost::asio::post(io, use_awaitable);
        CHECK(lent->unblocked());
        CHECK(!lent->closed());
    };
    run(io, use());
    CHECK(order == std::vector<std::string>{"refused", "200"});
}

#if BOOST_VERSION >= 107700
TEST_CASE("http_asio: an exchange that is cancelled ends, and its connection, too") {
    boost::asio::io_context io;
    boost::asio::cancellation_signal cancel;
    const server silent{[&](conversation& with, int) {
        with.read_request();
        boost::asio::post(io, [&] { cancel.emit(boost::asio::cancellation_type::terminal); });
        with.read_to_end();
    }};
    connections conns{{.max_open = 1}};
    std::exception_ptr error;
    const auto use = [&]() -> awaitable<void> {
        co_await pool::asio::async_invoke(conns, silent.key(), beast::async_ssl_dial{}, body_of, use_awaitable);
    };
    auto work = boost::asio::make_work_guard(io);
    boost::asio::co_spawn(io, use(), boost::asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr thrown) {
        error = thrown;
        work.reset();
    }));
    io.run();
    REQUIRE(error != nullptr);
    CHECK(code_of(error) == std::errc::operation_canceled);
    CHECK(conns.stats().idle == 0);
    CHECK(conns.stats().lent == 0);
}
#endif

TEST_CASE("http_asio: a dial says why it failed") {
    int port = 0;
    {
        const support::loopback_listener gone;
        port = gone.port();
    }
    boost::asio::io_context io;
    connections conns{{.max_open = 1}};
    const auto acquire = [&](beast::connection_key key) -> awaitable<void> {
        (void)co_await pool::asio::async_acquire(
            conns, key, beast::async_ssl_dial{}, pool::asio::with_exceptions{use_awaitable});
    };
    CHECK_THROWS_WITH_AS(
        run(io, acquire({.port = port})), doctest::Contains(": connect: Connection refused"), beast::error);
    CHECK_THROWS_WITH_AS(
        run(io, acquire({.host = "no-such-host.invalid"})), doctest::Contains(": resolve: "), beast::error);
    CHECK_THROWS_AS(run(io, acquire({.host = "a b"})), std::invalid_argument);
    CHECK_THROWS_WITH_AS(run(io, acquire({.scheme = "https", .certificate_authorities = "/none"})),
        doctest::Contains("the certificate authorities: No such file"), beast::error);
    CHECK(conns.stats().lent == 0);
    CHECK(conns.stats().dialing == 0);
}

TEST_CASE("http_asio: a dial that nobody answers ends with its caller") {
    const authority by;
    const support::loopback_listener silent;
    boost::asio::io_context io;
    connections conns{{.max_open = 1}};
    const auto acquire = [&](beast::connection_key key) -> awaitable<void> {
        (void)co_await pool::asio::async_acquire(conns, key, beast::async_ssl_dial{}, 20ms, use_awaitable);
    };
    // The handshake gets no answer.
    const beast::connection_key key{.scheme = "https", .port = silent.port(), .certificate_authorities = by.file};
    CHECK_THROWS_AS(run(io, acquire(key)), boost::system::system_error);
    CHECK(conns.stats().dialing == 0);  // the context has run to its end: the dial has ended, too
    CHECK(conns.stats().failed_dials == 1);
    // Neither does the proxy.
    auto by_proxy = beast::connection_key::from_url("https://db");
    by_proxy.certificate_authorities = by.file;
    by_proxy.proxy = "http://127.0.0.1:" + std::to_string(silent.port());
    CHECK_THROWS_AS(run(io, acquire(by_proxy)), boost::system::system_error);
    CHECK(conns.stats().failed_dials == 2);
    // Nobody takes the connection.
    const support::loopback_listener full{0};
    std::vector<pool::adapters::kernel::owned_socket> waiting;
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(full.port()));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 4; ++i) {
        waiting.emplace_back(AF_INET);
        (void)::connect(waiting.back().get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
    }
    CHECK_THROWS_AS(run(io, acquire({.port = full.port()})), boost::system::system_error);
    CHECK(conns.stats().failed_dials == 3);
    CHECK(conns.stats().dialing == 0);
}

TEST_CASE("http_asio: sockets are close-on-exec") {
    const server peer{answers(ok)};
    boost::asio::io_context io;
    connections conns{{.max_open = 1}};
    const auto use = [&]() -> awaitable<void> {
        auto lent = co_await pool::asio::async_acquire(conns, peer.key(), beast::async_ssl_dial{}, use_awaitable);
        CHECK((::fcntl(lent->native_handle(), F_GETFD) & FD_CLOEXEC) != 0);
    };
    run(io, use());
}

TEST_CASE("http_asio: many callers on several threads") {
    const authority by;
    const auto context = server_context(by.local);
    const server peer{answers(ok), context.get()};
    auto key = peer.https_key();
    key.certificate_authorities = by.file;
    boost::asio::thread_pool threads{3};
    connections conns{{.max_open = 4}};
    const beast::async_ssl_dial dial{{.exchange_timeout = 1min}};
    std::atomic<int> right = 0;
    const auto use = [&]() -> awaitable<void> {
        for (int i = 0; i < 50; ++i)
            if (co_await pool::asio::async_invoke(conns, key, dial, 1min, body_of, use_awaitable) == "hello") ++right;
    };
    for (int i = 0; i < 8; ++i) boost::asio::co_spawn(threads, use(), boost::asio::detached);
    threads.join();
    CHECK(right == 400);
    CHECK(conns.stats().dials <= 4);
    CHECK(conns.stats().idle <= 4);
}

}  // namespace http_asio
