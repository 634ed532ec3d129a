// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <boost/asio/ip/tcp.hpp>

#include <pool/dial.hpp>

#include "protocol.hpp"

/// @file
/// The client's end: a blocking TCP connection that carries one request at a time, and that a pool can keep.

namespace fanout {

struct server {
    std::string name;  ///< host:port, the key
    boost::asio::ip::tcp::endpoint endpoint;
};

/// No connection could be made.
class dial_failed : public std::system_error {
public:
    using std::system_error::system_error;
};

/// A connection that had carried a request before ended without a byte of this request's reply. Most likely the server
/// closed the idle connection while the request was on its way. No check before the call can rule that out, so the
/// caller has to send the request again.
class went_stale : public std::system_error {
public:
    using std::system_error::system_error;
};

class socket_handle {
public:
    explicit socket_handle(int fd = -1) noexcept : fd_{fd} {}
    socket_handle(socket_handle&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    socket_handle& operator=(socket_handle&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~socket_handle() { reset(); }

    void reset() noexcept;
    int get() const noexcept { return fd_; }

private:
    int fd_;
};

/// A caller gives up on a request by not receiving its reply. The connection is then blocked until the whole reply has
/// arrived. The next `send` drops that reply. So no caller waits for an unwanted reply, and the pool only has to check
/// whether it has arrived.
class connection {
public:
    /// Dials, until the deadline of the call or its stop request. Throws `dial_failed`.
    connection(const boost::asio::ip::tcp::endpoint& server, const pool::dial_context& limits);

    void send(std::uint64_t id, std::chrono::microseconds work);
    reply_frame receive();

    void close() noexcept { socket_.reset(); }
    bool closed() const noexcept;
    bool unblocked() const noexcept;

private:
    void read(std::span<std::byte> into);
    [[noreturn]] void fail(int error, const char* what) const;

    socket_handle socket_;
    std::size_t owed_ = 0;  ///< bytes of the last request's reply that have not been read
    bool served_ = false;   ///< has carried a request to its end
};

}  // namespace fanout
