// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <list>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

/// @file
/// The embedded servers: one thread, one event loop, and a loopback port for each server.

namespace fanout {

/// Every second server closes a connection that has been idle for this long.
inline constexpr std::chrono::milliseconds idle_limit{50};

/// Serves from construction to destruction.
class embedded_servers {
public:
    explicit embedded_servers(std::size_t count);
    embedded_servers(const embedded_servers&) = delete;
    embedded_servers& operator=(const embedded_servers&) = delete;
    ~embedded_servers();

    std::vector<boost::asio::ip::tcp::endpoint> endpoints() const;

    /// The greatest number of connections that were open at the same time, as the servers see it.
    std::size_t most_open() const noexcept { return count_.most; }

    /// How many connections are open, and how many were at most.
    struct open_count {
        std::atomic<std::size_t> now{0}, most{0};
    };

private:
    void accept(boost::asio::ip::tcp::acceptor& acceptor, bool closes_idle);

    open_count count_;  ///< the event loop changes it until it ends, so this is destroyed last
    boost::asio::io_context context_{1};
    std::list<boost::asio::ip::tcp::acceptor> acceptors_;
    std::jthread thread_;
};

}  // namespace fanout
