// SPDX-License-Identifier: BSL-1.0
#include <cerrno>
#include <string>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "connection.hpp"

namespace fanout {

namespace {

using namespace std::chrono_literals;

/// How long a server may take to reply before the request counts as failed.
constexpr std::chrono::microseconds patience = 5s;

template <class Value>
void set_option(int fd, int level, int option, const Value& value) noexcept {
    ::setsockopt(fd, level, option, &value, sizeof value);  // none of these options can fail on an open socket
}

timeval to_timeval(std::chrono::microseconds time) noexcept {
    const auto whole = std::chrono::floor<std::chrono::seconds>(time);
    return {whole.count(), (time - whole).count()};
}

}  // namespace

void socket_handle::reset() noexcept {
    if (const int fd = std::exchange(fd_, -1); fd >= 0) ::close(fd);
}

connection::connection(const boost::asio::ip::tcp::endpoint& server, const pool::dial_context& limits)
    : socket_{::socket(server.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    const auto fail_with = [&server](int error) {
        const std::string to = server.address().to_string() + ':' + std::to_string(server.port());
        throw dial_failed{error, std::system_category(), "connect to " + to};
    };
    if (socket_.get() < 0) fail_with(errno);
    if (limits.stop.stop_requested()) fail_with(ECANCELED);
    const auto left = limits.deadline - std::chrono::steady_clock::now();
    if (left < 1us) fail_with(ETIMEDOUT);

    // A send timeout also bounds connect (socket(7)). A later send never reaches it: a request is smaller than any send
    // buffer.
    set_option(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, to_timeval(std::chrono::floor<std::chrono::microseconds>(left)));
    set_option(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, to_timeval(patience));
    set_option(socket_.get(), IPPROTO_TCP, TCP_NODELAY, 1);

    // Close with a reset. In an orderly close, the end that closes first keeps the port for another minute. With
    // thousands of dials a second to one address, the ports would run out. A reset loses nothing here, because a client
    // closes only after a whole reply, or when it needs none. It also saves packets, so it makes the unpooled figures
    // better than they would be (by a fifth, where measured).
    set_option(socket_.get(), SOL_SOCKET, SO_LINGER, linger{.l_onoff = 1, .l_linger = 0});

    if (::connect(socket_.get(), server.data(), static_cast<socklen_t>(server.size())) != 0)
        fail_with(errno == EINPROGRESS ? ETIMEDOUT : errno);
}

void connection::send(std::uint64_t id, std::chrono::microseconds work) {
    while (owed_ > 0) {
        reply_frame unwanted;
        read(std::as_writable_bytes(std::span{unwanted}).first(owed_));
    }
    const request_frame request{id, static_cast<std::uint32_t>(work.count())};
    if (::send(socket_.get(), &request, sizeof request, MSG_NOSIGNAL) != sizeof request) fail(errno, "send");
    owed_ = sizeof(reply_frame);
}

reply_frame connection::receive() {
    reply_frame reply;
    read(std::as_writable_bytes(std::span{reply}));
    return reply;
}

/// Without a request there is nothing to receive. If there is something, the peer has closed its end, or it breaks the
/// protocol. `POLLRDHUP` also sees an end that comes after the bytes of an unwanted reply. A peek would see only those
/// bytes.
bool connection::closed() const noexcept {
    pollfd state{.fd = socket_.get(), .events = POLLIN | POLLRDHUP, .revents = 0};
    if (state.fd < 0) return true;
    if (::poll(&state, 1, 0) <= 0) return false;
    return owed_ == 0 || (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/// Only checks whether the whole unwanted reply has arrived. The next `send` reads and drops it, without a lock, and
/// does not have to wait for it then.
bool connection::unblocked() const noexcept {
    if (owed_ == 0) return true;
    int arrived = 0;
    return ::ioctl(socket_.get(), FIONREAD, &arrived) == 0 && static_cast<std::size_t>(arrived) >= owed_;
}

void connection::read(std::span<std::byte> into) {
    while (!into.empty()) {
        const ssize_t got = ::recv(socket_.get(), into.data(), into.size(), MSG_WAITALL);
        if (got == 0) fail(ECONNRESET, "receive");
        if (got < 0 && errno != EINTR) fail(errno == EAGAIN ? ETIMEDOUT : errno, "receive");
        if (got < 0) continue;
        owed_ -= static_cast<std::size_t>(got);
        into = into.subspan(static_cast<std::size_t>(got));
    }
    served_ = true;
}

void connection::fail(int error, const char* what) const {
    const bool unanswered = owed_ == 0 || owed_ == sizeof(reply_frame);
    if (served_ && unanswered && (error == ECONNRESET || error == EPIPE))
        throw went_stale{error, std::system_category(), what};
    throw std::system_error{error, std::system_category(), what};
}

}  // namespace fanout
