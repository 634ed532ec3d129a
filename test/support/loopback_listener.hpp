// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

/// @file
/// A socket that listens on loopback. POSIX only.

namespace support {

/// Accepts nothing by itself: the system connects as many as its queue takes, and nobody answers them.
class loopback_listener {
public:
    explicit loopback_listener(int queue = 16) : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        REQUIRE(::bind(fd_, generic, size) == 0);
        REQUIRE(::listen(fd_, queue) == 0);
        REQUIRE(::getsockname(fd_, generic, &size) == 0);
        port_ = ntohs(address.sin_port);
    }
    loopback_listener(const loopback_listener&) = delete;
    loopback_listener& operator=(const loopback_listener&) = delete;
    ~loopback_listener() { ::close(fd_); }

    int fd() const { return fd_; }
    int port() const { return port_; }

private:
    int fd_;
    int port_ = 0;
};

}  // namespace support
