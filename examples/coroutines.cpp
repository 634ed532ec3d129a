// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <sys/socket.h>

#include <pool/asio.hpp>

#include "fanout/protocol.hpp"
#include "fanout/servers.hpp"

/// @file
/// 200 coroutines on two threads send requests to 8 servers, over at most 16 connections. A coroutine that finds no
/// free connection waits without blocking a thread. One that has waited too long, for a connection or for a reply,
/// gives up: `call(...) || timer.async_wait(...)`.

namespace {

using namespace std::chrono_literals;
using namespace boost::asio::experimental::awaitable_operators;
namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;

constexpr std::size_t callers = 200;
constexpr std::size_t most_open = 16;

/// A TCP connection that carries one request at a time.
class connection {
public:
    explicit connection(tcp::socket socket) : socket_{std::move(socket)} {}

    awaitable<fanout::reply_frame> call(std::uint64_t id, std::chrono::microseconds work) {
        const fanout::request_frame request{
            boost::endian::little_uint64_t{id}, boost::endian::little_uint32_t{static_cast<std::uint32_t>(work.count())}};
        fanout::reply_frame reply;
        is_free_ = false;  // until the whole reply has arrived
        co_await asio::async_write(socket_, asio::buffer(&request, sizeof request), use_awaitable);
        co_await asio::async_read(socket_, asio::buffer(reply), use_awaitable);
        is_free_ = true;
        co_return reply;
    }

    /// Waits until the server has closed its end, too. So the server never sees a new connection while it still has
    /// this one.
    void close() {
        boost::system::error_code error;
        socket_.shutdown(tcp::socket::shutdown_send, error);
        socket_.non_blocking(false, error);
        socket_.native_non_blocking(false, error);
        std::array<std::byte, 256> rest;
        while (!error) socket_.read_some(asio::buffer(rest), error);
        socket_.close(error);
    }

    /// Whether either end has closed the connection.
    bool closed() const noexcept {
        std::byte any;
        return !socket_.is_open() || ::recv(native(), &any, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
    }
    /// False while a request, perhaps a cancelled one, still has no whole reply.
    bool unblocked() const noexcept { return is_free_; }

private:
    int native() const noexcept { return const_cast<tcp::socket&>(socket_).native_handle(); }

    tcp::socket socket_;
    bool is_free_ = true;
};

using connections = pool::basic_pool<std::size_t, connection, pool::bounded_open>;

class client {
public:
    client(asio::io_context& context, std::vector<tcp::endpoint> servers, std::uint64_t requests)
        : context_{context}, servers_{std::move(servers)}, requests_{requests} {}

    void start() {
        for (std::size_t i = 0; i < callers; ++i)
            asio::co_spawn(asio::make_strand(context_), send_all(), [](std::exception_ptr error) {
                if (error) std::rethrow_exception(error);
            });
    }

    void print() const {
        const pool::stats s = connections_.stats();
        fmt::print("served {}, timed out and sent again {}, failed and sent again {}\n", served_.load(),
            timed_out_.load(), failed_.load());
        fmt::print("dialled {}, reused {}, closed to make room {}; still lent {}, waiting {}\n", s.dials, s.hits,
            s.evicted, s.lent, s.waiting);
    }

    bool succeeded() const { return served_ == requests_ && wrong_ == 0; }

private:
    awaitable<void> send_all() {
        for (std::uint64_t id = next_++; id < requests_; id = next_++) {
            // Every thousandth request is sent with a time limit first, and asks for work that takes longer than that.
            const bool hurry = id % 1000 == 999;
            if (hurry && !co_await send(id, 3ms, 1ms)) ++timed_out_;
            while (!co_await send(id, 0us, 10s)) ++failed_;
        }
    }

    /// Returns whether a reply arrived in time.
    awaitable<bool> send(std::uint64_t id, std::chrono::microseconds work, std::chrono::milliseconds limit) {
        asio::steady_timer timer{co_await asio::this_coro::executor, limit};
        const auto result = co_await (call(id, work) || timer.async_wait(use_awaitable));
        co_return result.index() == 0 && std::get<0>(result);
    }

    awaitable<bool> call(std::uint64_t id, std::chrono::microseconds work) {
        const auto dial = [this](std::size_t server) -> awaitable<connection> {
            tcp::socket socket{context_};
            co_await socket.async_connect(servers_[server], use_awaitable);
            socket.set_option(tcp::no_delay{true});
            co_return connection{std::move(socket)};
        };
        try {
            const std::size_t server = fanout::mix(id) % servers_.size();
            auto lent = co_await pool::asio::async_acquire(connections_, server, dial, use_awaitable);
            const fanout::reply_frame reply = co_await lent->call(id, work);
            wrong_ += reply != fanout::reply_to(id);
            served_ += work == 0us;
            co_return true;
        } catch (const boost::system::system_error&) {
            co_return false;  // the server has closed an idle connection, or the time is over
        }
    }

    asio::io_context& context_;
    const std::vector<tcp::endpoint> servers_;
    const std::uint64_t requests_;
    std::atomic<std::uint64_t> next_{0}, served_{0}, timed_out_{0}, failed_{0}, wrong_{0};
    connections connections_{pool::bounded_open{.max_open = most_open, .max_open_per_key = 4}};
};

}  // namespace

int main(int argc, char** argv) {
    std::uint64_t requests = 100'000;
    CLI::App line{"Sends requests from coroutines, over a bounded number of connections"};
    line.add_option("--requests", requests, "requests to send")->capture_default_str();
    CLI11_PARSE(line, argc, argv);

    fanout::embedded_servers servers{8};
    asio::io_context context;
    client all{context, servers.endpoints(), requests};
    all.start();
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 2; ++i) threads.emplace_back([&context] { context.run(); });
    }
    all.print();
    fmt::print("open at once, as the servers saw it: at most {}\n", servers.most_open());
    return all.succeeded() && servers.most_open() <= most_open ? 0 : 1;
}
