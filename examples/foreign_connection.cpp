// SPDX-License-Identifier: BSL-1.0
#include <cerrno>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pool/pool.hpp>

/// @file
/// Connections of a type that was not written for a pool: file descriptors, as a C library uses them.

/// A type of its own, because a specialisation for `int` would apply to every int.
struct descriptor {
    int number = -1;
};

// The pool closes each descriptor once, also if its peer has gone.
template <>
struct pool::connection_traits<descriptor> {
    static void close(descriptor& d) {
        if (::close(std::exchange(d.number, -1)) != 0) throw std::system_error{errno, std::generic_category(), "close"};
    }
    static bool closed(const descriptor& d) noexcept {
        pollfd peer{.fd = d.number, .events = POLLIN, .revents = 0};
        return ::poll(&peer, 1, 0) != 0;  // nothing is expected while it is idle, so it has been hung up
    }
    static bool released(const descriptor& d) noexcept { return d.number == -1; }
    static bool unblocked(const descriptor&) noexcept { return true; }
};

namespace {

/// The peer's end of the connection that was dialled last.
int peer = -1;

descriptor dial(int /*line*/) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        throw std::system_error{errno, std::generic_category(), "socketpair"};
    peer = ends[1];
    return {ends[0]};
}

void send(descriptor& d, const std::string& text) {
    if (::send(d.number, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size()))
        throw std::system_error{errno, std::generic_category(), "send"};
}

std::string received() {
    char buffer[64];
    const ssize_t size = ::recv(peer, buffer, sizeof buffer, 0);
    return {buffer, static_cast<std::size_t>(size < 0 ? 0 : size)};
}

}  // namespace

int main() {
    pool::connection_pool<int, descriptor> lines{{.capacity = 4}};
    auto line = lines.get(1, dial);

    line.invoke([](descriptor& d) { send(d, "hello, "); });
    line.invoke([](descriptor& d) { send(d, "again"); });
    std::cout << received() << ", on " << lines.stats().dials << " connection\n";

    ::close(peer);
    line.invoke([](descriptor& d) { send(d, "anybody there?"); });  // on a new connection
    std::cout << received() << ' ' << lines.stats().found_closed << " dead, " << lines.stats().dials << " dialled\n";

    try {
        line.invoke([](descriptor& d) {
            ::close(peer);
            send(d, "too late");
        });
    } catch (const std::system_error& error) {
        std::cout << error.what() << "; " << lines.stats().idle << " idle connections\n";
    }
}
