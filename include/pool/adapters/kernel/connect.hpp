// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <netdb.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include <pool/adapters/kernel/socket.hpp>

/// @file
/// A socket that is connected within the limits of a dial, for client libraries that take one. POSIX only.

namespace pool::adapters::kernel {

/// Owns a socket.
class owned_socket {
public:
    /// A new one, close-on-exec from its begin, and non-blocking. Throws a `std::system_error`.
    explicit owned_socket(int family) : fd_{::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)} {
        if (fd_ < 0) throw std::system_error{errno, std::generic_category(), "socket"};
    }
    owned_socket(owned_socket&& other) noexcept : fd_{other.release()} {}
    owned_socket& operator=(owned_socket&&) = delete;
    ~owned_socket() {
        if (fd_ >= 0) ::close(fd_);
    }

    int get() const noexcept { return fd_; }
    int release() noexcept { return std::exchange(fd_, -1); }

private:
    int fd_;
};

/// Connects to one address. Throws a `std::system_error`.
inline owned_socket connect_to_address(const sockaddr* address, socklen_t length, const dial_context& limits) {
    owned_socket made{address->sa_family};
    int error = 0;
    if (::connect(made.get(), address, length) != 0) error = errno;
    if (error == EINPROGRESS || error == EINTR) {
        limited_wait{limits}.for_events(made.get(), POLLOUT);
        socklen_t size = sizeof error;
        if (::getsockopt(made.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    }
    if (error != 0) throw std::system_error{error, std::generic_category(), "connect"};
    return made;
}

/// Connects to the Unix socket of this path. Throws a `std::system_error`.
inline owned_socket connect_to_path(const std::string& path, const dial_context& limits) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        throw std::system_error{ENAMETOOLONG, std::generic_category(), "connect"};
    std::copy(path.begin(), path.end(), address.sun_path);
    return connect_to_address(reinterpret_cast<const sockaddr*>(&address), sizeof address, limits);
}

/// Connects to the first address of a host that answers. The time that is left is divided among the addresses that are
/// left, so that one that never answers does not take all of it. The system resolves the name without regard to the
/// limits. Throws a `std::system_error` of the last address, and a `std::runtime_error` if the name has none.
inline owned_socket connect_to_host(const std::string& host, int port, const dial_context& limits) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int problem = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (problem == EAI_SYSTEM) throw std::system_error{errno, std::generic_category(), "resolve"};
    if (problem != 0) throw std::runtime_error{std::string("resolve: ") + ::gai_strerror(problem)};
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all{found, &::freeaddrinfo};

    int untried = 0;
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) ++untried;
    for (const addrinfo* each = found;; each = each->ai_next, --untried) {
        dial_context share = limits;
        const auto now = std::chrono::steady_clock::now();
        if (untried > 1 && limits.deadline != limits.deadline.max() && limits.deadline > now)
            share.deadline = now + (limits.deadline - now) / untried;
        try {
            return connect_to_address(each->ai_addr, each->ai_addrlen, share);
        } catch (const std::system_error&) {
            if (untried == 1 || limits.stop.stop_requested()) throw;
        }
    }
}

}  // namespace pool::adapters::kernel
