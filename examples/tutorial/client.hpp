// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <pool/pool.hpp>

#include "descriptor.hpp"

/// @file
/// The client of the tutorial: it sends a line, and receives a line.

namespace tutorial {

// [endpoint]
struct endpoint {
    std::string host;  // a numeric address, such as "127.0.0.1"
    std::uint16_t port = 0;

    friend bool operator==(const endpoint&, const endpoint&) = default;
};
// [/endpoint]

// [wait]
// Waits until the socket is ready for `events`, within the limits of the call.
inline void wait_for(int socket, short events, const pool::dial_context& limits) {
    using namespace std::chrono_literals;
    for (;;) {
        if (limits.stop.stop_requested()) fail("wait", ECANCELED);
        const auto left = limits.deadline - std::chrono::steady_clock::now();
        if (left <= 0s) fail("wait", ETIMEDOUT);

        // A stop request does not wake poll, so look for one every 50 ms.
        const auto slice = std::chrono::ceil<std::chrono::milliseconds>(std::min<decltype(left)>(left, 50ms));
        pollfd state{.fd = socket, .events = events, .revents = 0};
        const int ready = ::poll(&state, 1, static_cast<int>(slice.count()));
        if (ready > 0) return;  // or it has failed, which the next call on it reports
        if (ready < 0 && errno != EINTR) fail("poll");
    }
}
// [/wait]

// [went_away]
// The peer has closed the connection, and has not answered. Whether it has carried out the request is not known.
class went_away : public std::system_error {
public:
    using std::system_error::system_error;
};
// [/went_away]

// [connection]
class connection {
public:
    explicit connection(descriptor socket) noexcept : socket_{std::move(socket)} {}

    // Sends a line, and returns the line that comes back. Waits five seconds at most.
    std::string ask(std::string_view line) {
        const pool::dial_context limits{.deadline = std::chrono::steady_clock::now() + std::chrono::seconds{5}};
        send_all(std::string{line} + '\n', limits);
        return receive_line(limits);
    }

    void close() { socket_.close(); }

    // Between two requests, nothing may arrive. So a socket that is readable has reached the end of the connection, or its
    // peer is out of step.
    bool closed() const noexcept {
        pollfd state{.fd = socket_.get(), .events = POLLIN, .revents = 0};
        return state.fd < 0 || ::poll(&state, 1, 0) > 0;
    }
    bool unblocked() const noexcept { return true; }

private:
    void send_all(std::string_view bytes, const pool::dial_context& limits) {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent >= 0) bytes.remove_prefix(static_cast<std::size_t>(sent));  // perhaps only a part of them
            else if (errno == EAGAIN || errno == EWOULDBLOCK) wait_for(socket_.get(), POLLOUT, limits);
            else if (errno == EPIPE || errno == ECONNRESET) throw went_away{errno, std::generic_category(), "send"};
            else if (errno != EINTR) fail("send");
        }
    }

    std::string receive_line(const pool::dial_context& limits) {
        std::string line;
        char buffer[4096];
        while (line.empty() || line.back() != '\n') {
            const ssize_t got = ::recv(socket_.get(), buffer, sizeof buffer, 0);
            const bool gone = got == 0 || (got < 0 && errno == ECONNRESET);
            if (got > 0) line.append(buffer, static_cast<std::size_t>(got));
            else if (gone && line.empty()) throw went_away{ECONNRESET, std::generic_category(), "receive"};
            else if (gone) fail("receive", ECONNRESET);
            else if (errno == EAGAIN || errno == EWOULDBLOCK) wait_for(socket_.get(), POLLIN, limits);
            else if (errno != EINTR) fail("receive");
        }
        line.pop_back();
        return line;
    }

    descriptor socket_;
};
// [/connection]

// [dial]
inline connection dial(const endpoint& to, const pool::dial_context& limits) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(to.port);
    if (::inet_pton(AF_INET, to.host.c_str(), &address.sin_addr) != 1) fail("address", EINVAL);

    descriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (socket.get() < 0) fail("socket");
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        if (errno != EINPROGRESS && errno != EINTR) fail("connect");
        wait_for(socket.get(), POLLOUT, limits);  // do not call connect again: it goes on by itself
        int error = 0;
        socklen_t size = sizeof error;
        if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) fail("getsockopt");
        if (error != 0) fail("connect", error);
    }
    const int on = 1;
    if (::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) fail("setsockopt");
    return connection{std::move(socket)};
}
// [/dial]

// [ask]
// Asks over a connection of the pool. If a reused connection turns out to be dead, asks again over another one.
template <class Pool, class Dial>
std::string ask(Pool& connections, const typename Pool::key_type& to, Dial&& dial, std::string_view line) {
    for (;;) {
        auto conn = connections.acquire(to, dial);
        try {
            return conn->ask(line);
        } catch (const went_away&) {
            const bool again = conn.reused();
            conn.discard();
            if (!again) throw;
        }
    }
}
// [/ask]

}  // namespace tutorial
