// SPDX-License-Identifier: BSL-1.0
#include <cerrno>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

#include <pool/pool.hpp>

/// @file
/// Connections of a type that was not written for a pool: file descriptors, as a C library uses them.

/// A type of its own, because a specialisation for `int` would apply to every int.
struct descriptor {
    int number = -1;
};

// A descriptor does not show by itself that its peer has gone. The call that finds out throws, and then the pool closes
// the descriptor. `closed` must not test for a gone peer: the pool never closes a closed connection, so the descriptor
// would leak.
template <>
struct pool::connection_traits<descriptor> {
    static void close(descriptor& d) {
        if (::close(std::exchange(d.number, -1)) != 0) throw std::system_error{errno, std::generic_category(), "close"};
    }
    static bool closed(const descriptor& d) noexcept { return d.number == -1; }
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
    try {
        line.invoke([](descriptor& d) { send(d, "anybody there?"); });
    } catch (const std::system_error& error) {
        std::cout << error.what() << "; " << lines.stats().idle << " idle connections\n";
    }
}
