// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/version.hpp>

#if BOOST_VERSION >= 107700
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#endif

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

#if BOOST_VERSION >= 107700
// [timeout]
awaitable<bool> use_one_in_time(connections& conns, coroutine_dial dial, boost::asio::steady_timer& timer) {
    using namespace boost::asio::experimental::awaitable_operators;
    timer.expires_after(200ms);
    auto first =
        co_await (pool::asio::async_acquire(conns, "db", dial, use_awaitable) || timer.async_wait(use_awaitable));
    co_return first.index() == 0;
}
// [/timeout]
#endif

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
    int expected = 1;
    start(conns, callback_dial{context, server}, served);
    const auto rethrow = [](std::exception_ptr error) {
        if (error) std::rethrow_exception(error);
    };
    boost::asio::co_spawn(context, use_one(conns, coroutine_dial{context, server}), rethrow);
#if BOOST_VERSION >= 107700
    boost::asio::steady_timer timer{context};
    ++expected;
    boost::asio::co_spawn(context, use_one_in_time(conns, coroutine_dial{context, server}, timer),
        [&](std::exception_ptr error, bool in_time) {
            rethrow(error);
            served += in_time;
        });
#endif
    context.run();
    { service with_reaper{context}; }
    return served == expected ? 0 : 1;
}
