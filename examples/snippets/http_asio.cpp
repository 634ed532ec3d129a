// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <exception>
#include <iostream>
#include <string>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <pool/adapters/beast.hpp>
#include <pool/asio.hpp>
#include <pool/pool.hpp>

/// @file
/// The code of docs/http.md with coroutines. It needs a server, whose URL is its argument.

using namespace std::chrono_literals;

namespace {

// [asio]
namespace http = boost::beast::http;
using connections = pool::basic_pool<pool::beast::connection_key, pool::beast::async_connection, pool::bounded_open>;

boost::asio::awaitable<std::string> fetch(
    connections& conns, pool::beast::async_dial dial, pool::beast::connection_key server, std::string target) {
    const auto use = [&](pool::beast::async_connection& c) -> boost::asio::awaitable<std::string> {
        http::request<http::empty_body> request{http::verb::get, target, 11};
        auto response = co_await c.async_exchange(std::move(request), boost::asio::use_awaitable);
        co_return std::move(response.body());
    };
    co_return co_await pool::asio::async_invoke(conns, server, dial, 5s, use, boost::asio::use_awaitable);
}
// [/asio]

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const auto server = pool::beast::connection_key::from_url(argv[1]);
    boost::asio::io_context context;
    connections conns{{.max_open = 2}};
    const pool::beast::async_dial dial{{.exchange_timeout = 10s}};
    int served = 0;
    for (const char* target : {"/1", "/2", "/3"})
        boost::asio::co_spawn(
            context, fetch(conns, dial, server, target), [&](std::exception_ptr error, const std::string& body) {
                if (error == nullptr && !body.empty()) ++served;
            });
    context.run();
    std::cout << served << " served, " << conns.stats() << '\n';
    return served == 3 && conns.stats().lent == 0 && conns.stats().dials <= 2 ? 0 : 1;
}
