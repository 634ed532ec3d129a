// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <pool/asio.hpp>

/// @file
/// The code of docs/asio.md. Each region is quoted there.

namespace {

using namespace std::chrono_literals;
using boost::asio::awaitable;
using boost::asio::use_awaitable;
using boost::asio::ip::tcp;

struct connection {
    tcp::socket socket;

    void close() { socket.close(); }
    bool closed() const noexcept { return !socket.is_open(); }
    bool unblocked() const noexcept { return true; }
};

// [pool]
using connections = pool::basic_pool<std::string, connection, pool::bounded_open, pool::after_idle>;

struct coroutine_dial {
    boost::asio::io_context& context;
    tcp::endpoint server;

    awaitable<connection> operator()(const std::string&) const {
        tcp::socket socket{context};
        co_await socket.async_connect(server, use_awaitable);
        co_return connection{std::move(socket)};
    }
};
// [/pool]

// [coroutine]
awaitable<void> use_one(connections& conns, coroutine_dial dial) {
    auto conn = co_await pool::asio::async_acquire(conns, "db", dial, use_awaitable);  // a lease
    conn->socket.set_option(tcp::no_delay{true});
}
// [/coroutine]

// [deadline]
awaitable<void> use_one_in_time(connections& conns, coroutine_dial dial) {
    auto first = co_await pool::asio::async_acquire(conns, "db", dial, 200ms, use_awaitable);
    first.give_back();

    const auto deadline = std::chrono::steady_clock::now() + 200ms;
    auto second = co_await pool::asio::async_acquire(conns, "db", dial, deadline, use_awaitable);
}
// [/deadline]

// [invoke]
awaitable<std::size_t> greet(connections& conns, coroutine_dial dial) {
    const auto send = [](connection& conn) -> awaitable<std::size_t> {
        co_return co_await boost::asio::async_write(conn.socket, boost::asio::buffer("hello\n", 6), use_awaitable);
    };
    co_return co_await pool::asio::async_invoke(conns, "db", dial, 200ms, send, use_awaitable);
}
// [/invoke]

// [context]
struct patient_dial {
    boost::asio::io_context& context;
    tcp::endpoint server;

    awaitable<connection> operator()(const std::string&, const pool::dial_context& caller) const {
        tcp::socket socket{context};
        const std::stop_callback give_up{caller.stop, [&socket] { socket.close(); }};  // ends the connect
        co_await socket.async_connect(server, use_awaitable);
        co_return connection{std::move(socket)};
    }
};
// [/context]

// [exceptions]
awaitable<std::string> error_of(connections& conns) {
    const auto dial = [](const std::string&) -> awaitable<connection> {
        throw std::runtime_error{"password authentication failed"};
        co_return connection{tcp::socket{co_await boost::asio::this_coro::executor}};
    };
    try {
        auto conn = co_await pool::asio::async_acquire(conns, "mail", dial, pool::asio::with_exceptions{use_awaitable});
    } catch (const std::exception& error) {
        co_return error.what();  // "password authentication failed"
    }
    co_return "";
}
// [/exceptions]

// [callbacks]
struct callback_dial {
    boost::asio::io_context& context;
    tcp::endpoint server;

    void operator()(const std::string&, auto handler) const {
        auto socket = std::make_shared<tcp::socket>(context);
        socket->async_connect(server, [socket, handler](boost::system::error_code error) mutable {
            if (error) handler(error);
            else handler(error, connection{std::move(*socket)});
        });
    }
};

void start(connections& conns, callback_dial dial, int& served) {
    auto handler = [&served](boost::system::error_code error, auto lease) {
        if (!error && !lease->closed()) ++served;
    };
    pool::asio::async_acquire(conns, "db", dial, boost::asio::bind_executor(dial.context, std::move(handler)));
}
// [/callbacks]

// [reaper]
struct service {
    connections conns{pool::bounded_open{.max_open = 16}, 30s};
    pool::asio::reaper<connections> reaper;  // expires by a timer instead of a thread

    explicit service(boost::asio::io_context& context) : reaper{context.get_executor(), conns} {}
};
// [/reaper]

}  // namespace

int main() {
    boost::asio::io_context context;
    tcp::acceptor acceptor{context, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
    const tcp::endpoint server = acceptor.local_endpoint();
    connections conns{pool::bounded_open{.max_open = 2}, 30s};

    int served = 0;
    start(conns, callback_dial{context, server}, served);
    const auto rethrow = [](std::exception_ptr error) {
        if (error) std::rethrow_exception(error);
    };
    const auto served_if = [&](auto expected) {
        return [&, expected](std::exception_ptr error, auto result) {
            rethrow(error);
            served += result == expected;
        };
    };
    const coroutine_dial dial{context, server};
    boost::asio::co_spawn(context, use_one(conns, dial), rethrow);
    boost::asio::co_spawn(context, use_one_in_time(conns, dial), rethrow);
    boost::asio::co_spawn(context, greet(conns, dial), served_if(std::size_t{6}));
    boost::asio::co_spawn(context, error_of(conns), served_if(std::string{"password authentication failed"}));
    pool::asio::async_acquire(conns, "other", patient_dial{context, server}, 5s,
        boost::asio::bind_executor(context, [&](boost::system::error_code error, auto) { served += !error; }));
    context.run();
    { service with_reaper{context}; }
    return served == 4 ? 0 : 1;
}
