// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <csignal>
#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/verb.hpp>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <pool/adapters/beast/connection_key.hpp>

#include <support/loopback_listener.hpp>

/// @file
/// A server that says exactly what a test has written for it.

namespace http_test {

namespace http = boost::beast::http;

/// One connection of a server, with TLS or without.
class conversation {
public:
    /// Owns the socket.
    explicit conversation(int socket, SSL_CTX* context = nullptr) : socket_{socket} {
        if (context == nullptr) return;
        ssl_ = SSL_new(context);
        SSL_set_fd(ssl_, socket_);
        is_open_ = SSL_accept(ssl_) == 1;
    }
    conversation(const conversation&) = delete;
    conversation& operator=(const conversation&) = delete;
    ~conversation() {
        SSL_free(ssl_);
        ::close(socket_);
    }

    bool is_open() const { return is_open_; }  ///< the handshake of TLS has succeeded
    SSL* ssl() const { return ssl_; }
    int socket() const { return socket_; }

    /// Reads one request, whose body has this many bytes. Returns it; nothing, if the client has gone.
    std::string read_request(std::size_t body = 0) {
        std::string text;
        for (;;) {
            const auto end = text.find("\r\n\r\n");
            if (end != text.npos && text.size() >= end + 4 + body) return text;
            if (!read_into(text)) return {};
        }
    }

    /// Waits until the client has ended. Returns what it has sent before.
    std::string read_to_end() {
        std::string text;
        while (read_into(text)) {
        }
        return text;
    }

    void send(std::string_view text) {
        while (!text.empty()) {
            const auto sent = ssl_ != nullptr ? SSL_write(ssl_, text.data(), static_cast<int>(text.size()))
                                              : ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
            if (sent <= 0) return;
            text.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    /// Each byte is a segment of its own.
    void send_in_slices(std::string_view text) {
        for (std::size_t at = 0; at < text.size(); ++at) send(text.substr(at, 1));
    }
    /// Sends no more, and still reads.
    void finish() { ::shutdown(socket_, SHUT_WR); }
    /// The client gets a reset instead of an end.
    void reset_at_close() {
        const linger hard{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    /// Says that no more follows, as TLS has it.
    void notify_close() { SSL_shutdown(ssl_); }

private:
    bool read_into(std::string& text) {
        char bytes[4096];
        const auto got =
            ssl_ != nullptr ? SSL_read(ssl_, bytes, sizeof bytes) : ::recv(socket_, bytes, sizeof bytes, 0);
        if (got <= 0) return false;
        text.append(bytes, static_cast<std::size_t>(got));
        return true;
    }

    int socket_;
    SSL* ssl_ = nullptr;
    bool is_open_ = true;
};

/// Listens, and follows a script for each connection, in a thread of its own. Its end ends them all.
class server {
public:
    /// What to do with a connection, of which it is the number-th.
    using script = std::function<void(conversation&, int number)>;

    explicit server(script what, SSL_CTX* context = nullptr)
        : what_{std::move(what)},
          context_{context},
          accepts_{[this] { accept(); }} {}
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    ~server() {
        ::shutdown(listener_.fd(), SHUT_RDWR);
        accepts_.join();
        {
            const std::lock_guard guard{lock_};
            for (const int each : sockets_) ::shutdown(each, SHUT_RDWR);
        }
        for (std::thread& each : conversations_) each.join();
    }

    pool::beast::connection_key key() const { return {.port = listener_.port()}; }
    pool::beast::connection_key https_key(std::string host = "localhost") const {
        return {.scheme = "https", .host = std::move(host), .port = listener_.port()};
    }
    int port() const { return listener_.port(); }

private:
    void accept() {
        sigset_t pipe;
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &pipe, nullptr);  // OpenSSL raises it; of a client, a test would notice it
        for (int number = 1;; ++number) {
            const int socket = ::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
            if (socket < 0) return;
            {
                const std::lock_guard guard{lock_};
                sockets_.insert(socket);
            }
            conversations_.emplace_back([this, socket, number] {
                conversation with{socket, context_};
                what_(with, number);
                const std::lock_guard guard{lock_};
                sockets_.erase(socket);  // it is closed after that
            });
        }
    }

    support::loopback_listener listener_;
    script what_;
    SSL_CTX* context_;
    std::mutex lock_;
    std::set<int> sockets_{};  ///< that are open
    std::list<std::thread> conversations_{};
    std::thread accepts_;
};

/// Answers each request of each connection with the same text, until the client goes.
inline server::script answers(std::string text) {
    return [text = std::move(text)](conversation& with, int) {
        while (!with.read_request().empty()) with.send(text);
    };
}

/// The usual answer.
inline const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

inline http::request<http::empty_body> get(const std::string& target = "/") { return {http::verb::get, target, 11}; }
inline http::request<http::string_body> post(const std::string& body) {
    http::request<http::string_body> made{http::verb::post, "/", 11};
    made.body() = body;
    return made;
}

/// Something has arrived at this socket, or its end.
inline void wait_for_input(int socket) {
    pollfd state{.fd = socket, .events = POLLIN, .revents = 0};
    REQUIRE(::poll(&state, 1, -1) == 1);
}

}  // namespace http_test
