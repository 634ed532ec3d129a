// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what Asio says

#include <chrono>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <unistd.h>

#include <pool/adapters/beast/connection_key.hpp>
#include <pool/adapters/beast/kernel/channel.hpp>

/// @file
/// What a blocking and an asynchronous HTTP connection have in common.

namespace pool::beast {

/// Owns a connection, and answers the questions of a pool. Move-only. Not thread-safe.
template <class Transport>
class peer {
public:
    using stream_type = typename Transport::stream_type;  ///< what functions of Beast take

    peer() noexcept = default;        ///< none
    peer(peer&&) noexcept = default;  ///< leaves the other without a connection
    /// Closes its own connection first.
    peer& operator=(peer&& other) noexcept {
        if (this != &other) {
            close();
            of_ = std::move(other.of_);
        }
        return *this;
    }
    ~peer() { close(); }

    /// For which key it was opened. There must be a connection.
    const connection_key& key() const noexcept { return *of_->key(); }

    /// The descriptor of the socket, to set options of it; -1, if there is none.
    int native_handle() const noexcept { return of_ == nullptr ? -1 : of_->transport.socket().native_handle(); }

    /// The stream, for those who read and write by themselves. After that the connection counts as used up, until
    /// `keep` is told of a response. There must be a connection.
    stream_type& stream() {
        of_->lend_stream();
        return of_->stream();
    }

    /// The buffer that goes with the stream: what has arrived, and was not read. There must be a connection.
    boost::beast::flat_buffer& buffer() noexcept { return of_->buffer; }

    /// This response was read whole from the stream, and its request was `keeps_alive`. Decides whether the connection
    /// may be used again. After a request with the method HEAD, a response without a length counts as one that ends
    /// with the connection. There must be a connection.
    template <class Body, class Fields>
    void keep(const boost::beast::http::response<Body, Fields>& response, bool keeps_alive = true) {
        if (!of_->is_by_hand()) return;
        if (!keeps_alive) of_->take_no_more();
        of_->judge(response, response.need_eof());
    }

    // For the pool.

    /// Closes it. A blocking connection waits until the server has ended it, too, but at most `options::close_timeout`.
    void close() noexcept {
        if (of_ != nullptr) std::exchange(of_, nullptr)->close();
    }
    /// Whether it takes no other request: there is none, or it has failed, or one of its sides has said so, or a
    /// response was not read to its end.
    bool closed() const noexcept { return of_ == nullptr || of_->now() != kernel::phase::idle; }
    bool released() const noexcept { return of_ == nullptr; }                         ///< there is none
    bool unblocked() const noexcept { return of_ == nullptr || !of_->is_running(); }  ///< no operation is still ending
    bool reusable() const noexcept {
        return !closed() && unblocked();
    }  ///< after an exception: its exchange has ended well
    /// Whether nothing has arrived, the server has not closed it, and the server's own limit of time has not passed.
    /// Asks only the system.
    bool healthy() noexcept { return of_ != nullptr && of_->is_healthy(); }
    /// How long the server keeps it, as its last response says, less the margin; `max()`, if it does not say.
    std::chrono::nanoseconds expires() const noexcept {
        return of_ == nullptr ? std::chrono::nanoseconds::zero() : of_->expires();
    }
    /// In the child of a fork: closes the descriptor of the socket. The rest is left as it is, because the parent's
    /// reactor knows it.
    void abandon() noexcept {
        if (of_ == nullptr) return;
        ::close(of_->transport.socket().native_handle());
        leak(std::move(of_));
    }
    /// Why it is `closed`.
    std::string why_dead() const { return of_ == nullptr ? "no connection" : of_->why_over(); }

protected:
    /// The connection.
    explicit peer(std::shared_ptr<kernel::channel<Transport>> of) noexcept : of_{std::move(of)} {}

    std::shared_ptr<kernel::channel<Transport>> of_{};  ///< null, if there is none

private:
    static void leak(std::shared_ptr<kernel::channel<Transport>> forgotten) noexcept {
        ::new (std::nothrow) std::shared_ptr<kernel::channel<Transport>>{std::move(forgotten)};
    }
};

}  // namespace pool::beast
