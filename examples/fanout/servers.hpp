// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

/// @file
/// The embedded servers: one thread, one event loop, and a loopback port for each server.

namespace fanout {

/// Every second server closes a connection that has been idle for this long.
inline constexpr std::chrono::milliseconds idle_limit{50};

/// Serves from construction to destruction, except for servers that are stopped.
class embedded_servers {
public:
    explicit embedded_servers(std::size_t count);
    embedded_servers(const embedded_servers&) = delete;
    embedded_servers& operator=(const embedded_servers&) = delete;
    ~embedded_servers();

    std::vector<boost::asio::ip::tcp::endpoint> endpoints() const;

    /// Ends the connections of a server, and refuses new ones until `start`. Returns when that is done.
    void stop(std::size_t server);
    /// Serves again, at the same port. Throws `boost::system::system_error` if it cannot.
    void start(std::size_t server);

    /// The greatest number of connections that were open at the same time, as the servers see it.
    std::size_t most_open() const noexcept { return count_.most; }

    /// How many connections are open, and how many were at most.
    struct open_count {
        std::atomic<std::size_t> now{0}, most{0};
    };

private:
    using tcp = boost::asio::ip::tcp;
    class session;

    struct listener {
        tcp::socket port;  ///< bound, and never used: it keeps the port while the server is stopped
        tcp::acceptor acceptor;
        bool closes_idle;
        std::set<session*>& sessions;
    };

    void listen(listener& at);
    void accept(listener& at);
    void in_loop(std::function<void()> task);

    // The sessions change these until the event loop is destroyed, so these are destroyed after it.
    open_count count_;
    std::vector<std::set<session*>> sessions_;

    boost::asio::io_context context_{1};
    std::deque<listener> listeners_;
    std::jthread thread_;
};

}  // namespace fanout
