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
/// A connection that knows nothing of pools: a file descriptor, as some C library has it.

/// A type of its own, because a trait for every int would be too much.
struct descriptor {
    int number = -1;
};

// A descriptor does not tell by itself that its peer has gone: the call that finds out throws, and then the pool closes
// it. `closed` must not look for that: what is closed is not closed again, and a descriptor would leak.
template <>
struct pool::connection_traits<descriptor> {
    static void close(descriptor& d) {
        if (::close(std::exchange(d.number, -1)) != 0) throw std::system_error{errno, std::generic_category(), "close"};
    }
    static bool closed(const descriptor& d) noexcept { return d.number == -1; }
    static bool unblocked(const descriptor&) noexcept { return true; }
};

namespace {

/// The peer's end of each connection that is dialled.
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
