// SPDX-License-Identifier: BSL-1.0
#include <string>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>

#include "connection.hpp"
#include "pool_asio.hpp"

bool reuses_with_asio() {
    boost::asio::io_context context;
    pool::basic_pool<std::string, connection, pool::bounded_open> connections;
    const auto dial = [](const std::string&, auto handler) {
        std::move(handler)(boost::system::error_code{}, connection{});
    };
    connections.put("peer", connection{});

    bool reused = false;
    pool::asio::async_acquire(connections, "peer", dial,
        boost::asio::bind_executor(
            context, [&](boost::system::error_code error, auto lease) { reused = !error && lease.reused(); }));
    context.run();
    return reused;
}
