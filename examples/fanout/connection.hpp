// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>
#include <utility>

#include <boost/asio/ip/tcp.hpp>

#include <pool/dial.hpp>

#include "protocol.hpp"

/// @file
/// The client's end: a blocking TCP connection that carries one request at a time, and answers what a pool asks.

namespace fanout {

/// No connection came about.
class dial_failed : public std::system_error {
public:
    using std::system_error::system_error;
};

/// A connection that had served before ended without a byte of reply. Most likely the server closed it, being idle, while
/// the request was on its way. No look before the call can rule that out, so the caller has to send again.
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

/// To give up on a request is not to receive its reply. The connection is then blocked until the whole reply has arrived;
/// the next `send` drops it. So nobody waits for a reply that nobody wants, and the pool is only ever asked for a look.
class connection {
public:
    /// Dials, within the limits of the call. Throws `dial_failed`.
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
