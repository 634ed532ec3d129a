// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "descriptor.hpp"

/// @file
/// The server of the tutorial. It answers each line with the same line, on loopback, with a thread for each connection.

namespace tutorial {

class echo_server {
public:
    /// Listens on a port that the system chooses.
    echo_server() : listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        if (listener_.get() < 0) fail("socket");
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* any = reinterpret_cast<sockaddr*>(&address);
        if (::bind(listener_.get(), any, size) != 0) fail("bind");
        if (::listen(listener_.get(), SOMAXCONN) != 0) fail("listen");
        if (::getsockname(listener_.get(), any, &size) != 0) fail("getsockname");
        port_ = ntohs(address.sin_port);
        acceptor_ = std::jthread{[this] { accept_all(); }};
    }
    ~echo_server() { stop(); }

    std::uint16_t port() const noexcept { return port_; }
    std::size_t accepted() const noexcept { return accepted_; }  ///< connections so far

    /// Closes all connections, as a server does that is restarted. It goes on listening.
    void drop_connections() {
        const std::lock_guard guard{mutex_};
        for (const int socket : open_) ::shutdown(socket, SHUT_RDWR);
    }

    /// Closes all connections and stops listening.
    void stop() {
        if (!acceptor_.joinable()) return;
        ::shutdown(listener_.get(), SHUT_RDWR);  // on Linux, this ends the accept
        acceptor_.join();
        listener_ = descriptor{-1};
        drop_connections();
        threads_.clear();  // joins them
    }

private:
    void accept_all() {
        for (;;) {
            descriptor socket{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
            if (socket.get() < 0) {
                if (errno == EINTR || errno == ECONNABORTED) continue;
                return;
            }
            ++accepted_;
            {
                const std::lock_guard guard{mutex_};
                open_.insert(socket.get());
            }
            threads_.emplace_back([this, mine = std::move(socket)] { serve(mine.get()); });
        }
    }

    void serve(int socket) {
        std::string line;
        char buffer[4096];
        for (;;) {
            const ssize_t got = ::recv(socket, buffer, sizeof buffer, 0);
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) break;
            line.append(buffer, static_cast<std::size_t>(got));
            if (line.back() != '\n') continue;
            if (!send_all(socket, line)) break;
            line.clear();
        }
        ::shutdown(socket, SHUT_RDWR);
        const std::lock_guard guard{mutex_};
        open_.erase(socket);
    }

    static bool send_all(int socket, std::string_view bytes) noexcept {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent >= 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
            else if (errno != EINTR) return false;
        }
        return true;
    }

    descriptor listener_;
    std::uint16_t port_ = 0;
    std::atomic<std::size_t> accepted_{0};
    std::mutex mutex_;  ///< guards `open_`: a number is erased before its socket is closed
    std::set<int> open_;
    std::vector<std::jthread> threads_;  ///< those of the connections; only the acceptor adds to them
    std::jthread acceptor_;
};

}  // namespace tutorial
