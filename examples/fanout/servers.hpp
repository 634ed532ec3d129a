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
/// The embedded servers: one thread, one event loop, a loopback port each.

namespace fanout {

/// Every second server closes a connection that has had nothing to do for so long.
inline constexpr std::chrono::milliseconds idle_limit{50};

/// Serves from construction to destruction.
class embedded_servers {
public:
    explicit embedded_servers(std::size_t count);
    embedded_servers(const embedded_servers&) = delete;
    embedded_servers& operator=(const embedded_servers&) = delete;
    ~embedded_servers();

    std::vector<boost::asio::ip::tcp::endpoint> endpoints() const;

    /// How many connections were open at once, at most, as the servers see it.
    std::size_t most_open() const noexcept { return count_.most; }

    /// Those that are open.
    struct open_count {
        std::atomic<std::size_t> now{0}, most{0};
    };

private:
    void accept(boost::asio::ip::tcp::acceptor& acceptor, bool closes_idle);

    open_count count_;  ///< the event loop changes it, up to its end
    boost::asio::io_context context_{1};
    std::list<boost::asio::ip::tcp::acceptor> acceptors_;
    std::jthread thread_;
};

}  // namespace fanout
