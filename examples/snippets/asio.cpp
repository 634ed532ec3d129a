// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
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

struct session : connection {};

// [check]
awaitable<bool> is_answered(session& s) {
    char reply[5];
    co_await boost::asio::async_write(s.socket, boost::asio::buffer("ping\n", 5), use_awaitable);
    co_await boost::asio::async_read(s.socket, boost::asio::buffer(reply), use_awaitable);
    co_return std::string_view(reply, sizeof reply) == "pong\n";
}
// [/check]

}  // namespace

// [hooks]
template <>
struct pool::connection_traits<session> : pool::member_connection_traits<session> {
    static void async_healthy(session& s, pool::hook_done done) {
        boost::asio::co_spawn(s.socket.get_executor(), is_answered(s), std::move(done));
    }
    static void async_reset(session& s, pool::hook_done done) {
        boost::asio::async_write(s.socket, boost::asio::buffer("drop\n", 5), std::move(done));
    }
};
// [/hooks]

namespace {

using sessions = pool::basic_pool<std::string, session, pool::bounded_open, pool::after_idle>;

/// Answers the pings of one client.
awaitable<void> serve(tcp::acceptor& acceptor) {
    tcp::socket client = co_await acceptor.async_accept(use_awaitable);
    char line[5];
    for (;;) {
        co_await boost::asio::async_read(client, boost::asio::buffer(line), use_awaitable);
        if (std::string_view(line, sizeof line) == "ping\n")
            co_await boost::asio::async_write(client, boost::asio::buffer("pong\n", 5), use_awaitable);
    }
}

/// Lends a session twice. Returns whether it was the same, after its reset and its check.
awaitable<bool> lend_twice(sessions& conns, coroutine_dial dial) {
    const auto open = [&](const std::string& key) -> awaitable<session> {
        connection opened = co_await dial(key);
        co_return session{std::move(opened)};
    };
    (void)co_await pool::asio::async_acquire(conns, "db", open, use_awaitable);
    bool is_same = false;
    {
        auto lent = co_await pool::asio::async_acquire(conns, "db", open, use_awaitable);
        is_same = lent.reused();
    }
    conns.close();  // so that the server ends
    co_return is_same;
}

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

    tcp::acceptor answering{context, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
    sessions checked{pool::bounded_open{.max_open = 1}, 30s};
    boost::asio::co_spawn(context, serve(answering), boost::asio::detached);
    boost::asio::co_spawn(
        context, lend_twice(checked, coroutine_dial{context, answering.local_endpoint()}), served_if(true));
    context.restart();
    context.run();
    { service with_reaper{context}; }
    return served == 5 && checked.stats().found_unhealthy + checked.stats().failed_resets == 0 ? 0 : 1;
}
