// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <memory>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/packaged_task.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <sys/socket.h>

#include "protocol.hpp"
#include "servers.hpp"

namespace fanout {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

/// One connection at the server's end. It lives as long as one of its handlers is pending.
class embedded_servers::session : public std::enable_shared_from_this<session> {
public:
    session(tcp::socket socket, bool closes_idle, std::set<session*>& siblings, open_count& count)
        : socket_{std::move(socket)},
          timer_{socket_.get_executor()},
          closes_idle_{closes_idle},
          siblings_{siblings},
          count_{count} {
        siblings_.insert(this);
        count_.most = std::max(count_.most.load(), ++count_.now);
    }
    ~session() {
        --count_.now;  // the socket is closed after that, and the client may wait for it
        siblings_.erase(this);
    }

    void await_request() {
        asio::async_read(socket_, asio::buffer(&request_, sizeof request_),
            [self = shared_from_this()](error_code error, std::size_t) {
                self->timer_.cancel();
                if (!error) self->work();
            });
    }

    /// Its pending handlers end with an error, and then it ends.
    void close() {
        error_code ignored;
        socket_.close(ignored);
        timer_.cancel();
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
    std::set<session*>& siblings_;
    open_count& count_;
    request_frame request_;
    reply_frame reply_;
};

namespace {

/// Two sockets may have this port at the same time, if both are of this user.
template <class Socket>
void share_port(Socket& socket) {
    const int on = 1;
    ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

}  // namespace

embedded_servers::embedded_servers(std::size_t count) : sessions_(count) {
    for (std::set<session*>& sessions : sessions_) {
        const bool closes_idle = listeners_.size() % 2 == 1;
        listener& added = listeners_.emplace_back(
            listener{tcp::socket{context_, tcp::v4()}, tcp::acceptor{context_}, closes_idle, sessions});
        share_port(added.port);
        added.port.bind({asio::ip::address_v4::loopback(), 0});
        listen(added);
    }
    thread_ = std::jthread{[this] { context_.run(); }};
}

embedded_servers::~embedded_servers() { context_.stop(); }

std::vector<tcp::endpoint> embedded_servers::endpoints() const {
    std::vector<tcp::endpoint> all;
    for (const listener& each : listeners_) all.push_back(each.port.local_endpoint());
    return all;
}

void embedded_servers::stop(std::size_t server) {
    in_loop([&at = listeners_[server]] {
        at.acceptor.close();
        for (session* each : at.sessions) each->close();
    });
}

void embedded_servers::start(std::size_t server) {
    in_loop([this, &at = listeners_[server]] { listen(at); });
}

void embedded_servers::listen(listener& at) {
    const tcp::endpoint endpoint = at.port.local_endpoint();
    at.acceptor.open(endpoint.protocol());
    at.acceptor.set_option(tcp::acceptor::reuse_address{true});
    share_port(at.acceptor);
    at.acceptor.bind(endpoint);
    at.acceptor.listen();
    accept(at);
}

void embedded_servers::accept(listener& at) {
    at.acceptor.async_accept([this, &at](error_code error, tcp::socket socket) {
        if (!at.acceptor.is_open()) return;  // stopped; a socket that was accepted just before is closed here
        if (!error) socket.set_option(tcp::no_delay{true}, error);
        if (!error) std::make_shared<session>(std::move(socket), at.closes_idle, at.sessions, count_)->await_request();
        accept(at);
    });
}

/// Only the thread of the event loop touches the servers and their sessions.
void embedded_servers::in_loop(std::function<void()> task) {
    asio::post(context_, std::packaged_task<void()>{std::move(task)}).get();
}

}  // namespace fanout
