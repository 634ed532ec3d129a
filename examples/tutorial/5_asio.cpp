// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <string>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <poll.h>

#include <pool/asio.hpp>

#include "echo_server.hpp"

using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;

// [connection]
class connection {
public:
    explicit connection(tcp::socket socket) : socket_{std::move(socket)} {}

    awaitable<std::string> ask(std::string line) {
        line += '\n';
        idle_ = false;  // until the whole answer is here
        co_await asio::async_write(socket_, asio::buffer(line), use_awaitable);
        std::string answer;
        const std::size_t size =
            co_await asio::async_read_until(socket_, asio::dynamic_buffer(answer), '\n', use_awaitable);
        answer.resize(size - 1);
        idle_ = true;
        co_return answer;
    }

    void close() { socket_.close(); }

    // Also after a call that has not ended, because its coroutine was destroyed: its answer is still to come.
    bool closed() const noexcept {
        pollfd state{.fd = const_cast<tcp::socket&>(socket_).native_handle(), .events = POLLIN, .revents = 0};
        return !socket_.is_open() || !idle_ || ::poll(&state, 1, 0) > 0;
    }
    bool unblocked() const noexcept { return true; }

private:
    tcp::socket socket_;
    bool idle_ = true;
};
// [/connection]

// [pool]
using connections = pool::basic_pool<std::string, connection, pool::bounded_open>;

struct dial_echo {
    tcp::endpoint server;

    awaitable<connection> operator()(const std::string&) const {
        tcp::socket socket{co_await asio::this_coro::executor};
        co_await socket.async_connect(server, use_awaitable);
        socket.set_option(tcp::no_delay{true});
        co_return connection{std::move(socket)};
    }
};
// [/pool]

// [acquire]
awaitable<void> ask_three_times(connections& all, dial_echo dial, std::string name, int& right) {
    for (int i = 0; i < 3; ++i) {
        const std::string line = name + ' ' + std::to_string(i);
        auto conn = co_await pool::asio::async_acquire(all, "echo", dial, use_awaitable);
        right += co_await conn->ask(line) == line;
    }
}
// [/acquire]

// [timeout]
awaitable<void> give_up(connections& all, dial_echo dial) {
    using namespace asio::experimental::awaitable_operators;
    auto first = co_await pool::asio::async_acquire(all, "echo", dial, use_awaitable);
    auto second = co_await pool::asio::async_acquire(all, "echo", dial, use_awaitable);

    asio::steady_timer timer{co_await asio::this_coro::executor, 20ms};
    const auto result =
        co_await (pool::asio::async_acquire(all, "echo", dial, use_awaitable) || timer.async_wait(use_awaitable));
    std::cout << (result.index() == 1 ? "no connection within 20 ms" : "a third connection") << '\n';
}
// [/timeout]

int main() {
    tutorial::echo_server server;
    const auto rethrow = [](std::exception_ptr error) {
        if (error) std::rethrow_exception(error);
    };

    // [run]
    asio::io_context context;
    connections all{pool::bounded_open{.max_open = 2}};
    const dial_echo dial{{asio::ip::address_v4::loopback(), server.port()}};

    int right = 0;
    for (const char* name : {"a", "b", "c", "d", "e", "f"})
        asio::co_spawn(context, ask_three_times(all, dial, name, right), rethrow);
    context.run();
    std::cout << right << " answers, connections opened: " << server.accepted() << '\n';
    // [/run]

    context.restart();
    asio::co_spawn(context, give_up(all, dial), rethrow);
    context.run();

    // [close]
    all.close().rethrow();
    context.restart();
    asio::co_spawn(context, give_up(all, dial), [](std::exception_ptr error) {
        try {
            if (error) std::rethrow_exception(error);
        } catch (const boost::system::system_error& closed) {
            if (closed.code() == pool::asio::errc::pool_closed) std::cout << closed.code().message() << '\n';
        }
    });
    context.run();
    // [/close]
}
