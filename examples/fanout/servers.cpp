// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <memory>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "protocol.hpp"
#include "servers.hpp"

namespace fanout {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

/// One connection at the server's end. It lives as long as one of its handlers is pending.
class session : public std::enable_shared_from_this<session> {
public:
    session(tcp::socket socket, bool closes_idle, embedded_servers::open_count& count)
        : socket_{std::move(socket)},
          timer_{socket_.get_executor()},
          closes_idle_{closes_idle},
          count_{count} {
        count_.most = std::max(count_.most.load(), ++count_.now);
    }
    ~session() { --count_.now; }  // the socket is closed after that, and the client may wait for it

    void await_request() {
        asio::async_read(socket_, asio::buffer(&request_, sizeof request_),
            [self = shared_from_this()](error_code error, std::size_t) {
                self->timer_.cancel();
                if (!error) self->work();
            });
    }

private:
    void work() {
        if (request_.delay_us == 0) return answer();
        timer_.expires_after(std::chrono::microseconds{request_.delay_us});
        timer_.async_wait([self = shared_from_this()](error_code error) {
            if (!error) self->answer();
        });
    }

    void answer() {
        reply_ = reply_to(request_.id);
        asio::async_write(socket_, asio::buffer(reply_), [self = shared_from_this()](error_code error, std::size_t) {
            if (error) return;
            if (self->closes_idle_) self->limit_idleness();
            self->await_request();
        });
    }

    /// Called after each reply. A new connection is not idle: its first request is on the way.
    void limit_idleness() {
        timer_.expires_after(idle_limit);
        timer_.async_wait([self = shared_from_this()](error_code error) {
            // If the timer expired just before it was cancelled or set anew, this handler is still called without an
            // error.
            if (!error && self->timer_.expiry() <= std::chrono::steady_clock::now()) self->socket_.close(error);
        });
    }

    tcp::socket socket_;
    asio::steady_timer timer_;
    bool closes_idle_;
    embedded_servers::open_count& count_;
    request_frame request_;
    reply_frame reply_;
};

}  // namespace

embedded_servers::embedded_servers(std::size_t count) {
    for (std::size_t server = 0; server < count; ++server)
        accept(acceptors_.emplace_back(context_, tcp::endpoint{asio::ip::address_v4::loopback(), 0}), server % 2 == 1);
    thread_ = std::jthread{[this] { context_.run(); }};
}

embedded_servers::~embedded_servers() { context_.stop(); }

std::vector<tcp::endpoint> embedded_servers::endpoints() const {
    std::vector<tcp::endpoint> all;
    for (const tcp::acceptor& acceptor : acceptors_) all.push_back(acceptor.local_endpoint());
    return all;
}

void embedded_servers::accept(tcp::acceptor& acceptor, bool closes_idle) {
    acceptor.async_accept([this, &acceptor, closes_idle](error_code error, tcp::socket socket) {
        if (!error) socket.set_option(tcp::no_delay{true}, error);
        if (!error) std::make_shared<session>(std::move(socket), closes_idle, count_)->await_request();
        if (acceptor.is_open()) accept(acceptor, closes_idle);
    });
}

}  // namespace fanout
