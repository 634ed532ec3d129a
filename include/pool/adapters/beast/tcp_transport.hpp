// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what Asio says

#include <stdexcept>
#include <string>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>

#include <pool/adapters/beast/connection_key.hpp>
#include <pool/adapters/kernel/socket.hpp>

/// @file
/// What HTTP connections without TLS read and write.

namespace pool::beast {

/// A connection of TCP. Serves keys of the scheme `http`.
class tcp_transport {
public:
    using stream_type = boost::asio::ip::tcp::socket;  ///< what functions of Beast take

    /// What all connections of a dial share: nothing.
    struct shared {};

    /// Not connected yet.
    explicit tcp_transport(const boost::asio::any_io_executor& executor) : socket_{executor} {}

    boost::asio::ip::tcp::socket& socket() noexcept { return socket_; }              ///< the socket
    const boost::asio::ip::tcp::socket& socket() const noexcept { return socket_; }  ///< the same
    stream_type& stream() noexcept { return socket_; }                               ///< the socket, too

    /// Before it is connected. Throws `std::invalid_argument` for a key of another scheme.
    void prepare(const connection_key& key, shared&) const {
        if (key.scheme != "http")
            throw std::invalid_argument{"pool: " + key.url() + ": https needs <pool/adapters/beast_ssl.hpp>"};
    }

    bool needs_handshake() const noexcept { return false; }  ///< never
    /// Completes at once.
    template <class Handler>
    void async_handshake(Handler&& handler) {
        boost::asio::post(socket_.get_executor(),
            [handler = std::forward<Handler>(handler)]() mutable { std::move(handler)(boost::system::error_code{}); });
    }
    std::string words() const { return {}; }  ///< nothing to say of TLS

    /// Whether nothing has arrived that nobody has asked for, the end of the connection included. Does not wait.
    bool is_quiet() noexcept { return !adapters::kernel::has_input(socket_.native_handle()); }

    void say_goodbye() noexcept {}  ///< TCP does it by itself

private:
    boost::asio::ip::tcp::socket socket_;
};

}  // namespace pool::beast
