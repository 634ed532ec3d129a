// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what Asio says

#include <cstddef>
#include <exception>
#include <memory>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <pool/adapters/beast/kernel/channel.hpp>
#include <pool/adapters/beast/kernel/exchange.hpp>
#include <pool/adapters/beast/peer.hpp>
#include <pool/connection.hpp>

/// @file
/// An HTTP connection whose calls block no thread.

namespace pool::beast {

template <class Transport>
class basic_async_dial;

/// A connection whose exchanges block no thread. In a pool, `async_acquire` and `async_invoke` lend it. There must be a
/// connection when an operation begins, and one operation at a time. If an operation is cancelled, the connection is
/// closed when it is given back. Destroy it before its context. Move-only. Not thread-safe: on a context that several
/// threads run, use it in a coroutine, or on a strand.
template <class Transport>
class basic_async_connection : public peer<Transport> {
public:
    using executor_type = boost::asio::any_io_executor;  ///< of operations whose handlers have none

    basic_async_connection() noexcept = default;  ///< none

    executor_type get_executor() const { return this->of_->transport.socket().get_executor(); }  ///< that of its dial

    /// Sends a request, and reads its response, as `basic_connection::exchange` does, within
    /// `options::exchange_timeout`. Completes with `void(std::exception_ptr, response<Body>)`; the exception is an
    /// `error`.
    template <class Body = boost::beast::http::string_body, class RequestBody, class Fields, class Token>
    auto async_exchange(boost::beast::http::request<RequestBody, Fields> request, Token&& token) {
        return perform<Body>(std::move(request), std::forward<Token>(token));
    }

    /// The same, but completes with the header: `void(std::exception_ptr, response_header<>)`. The body follows by
    /// `async_read_some`. If it is not read to its end, the connection is not used again.
    template <class RequestBody, class Fields, class Token>
    auto async_begin(boost::beast::http::request<RequestBody, Fields> request, Token&& token) {
        return perform<kernel::in_pieces>(std::move(request), std::forward<Token>(token));
    }

    /// Reads the next bytes of a body. Completes with `void(std::exception_ptr, std::size_t)`; a size of zero is the
    /// end of the body, or of a buffer without size. The memory must stay until then.
    template <class Token>
    auto async_read_some(boost::asio::mutable_buffer into, Token&& token) {
        return boost::asio::async_compose<Token, void(std::exception_ptr, std::size_t)>(
            kernel::reading<Transport>{this->of_, into}, token, this->of_->transport.socket());
    }

private:
    friend class basic_async_dial<Transport>;

    explicit basic_async_connection(std::shared_ptr<kernel::channel<Transport>> of) noexcept
        : peer<Transport>{std::move(of)} {}

    template <class Body, class Request, class Token>
    auto perform(Request&& request, Token&& token) {
        using operation =
            kernel::exchanging<Transport, typename Request::body_type, typename Request::fields_type, Body>;
        using result = typename kernel::exchange_result<Body>::type;
        return boost::asio::async_compose<Token, void(std::exception_ptr, result)>(
            operation{this->of_, std::move(request)}, token, this->of_->transport.socket());
    }
};

}  // namespace pool::beast

/// By the members of the connection.
template <class Transport>
struct pool::connection_traits<pool::beast::basic_async_connection<Transport>>
    : pool::member_connection_traits<pool::beast::basic_async_connection<Transport>> {
    /// Asks only the system, which is no wait.
    static bool healthy(pool::beast::basic_async_connection<Transport>& c) noexcept { return c.healthy(); }
};
