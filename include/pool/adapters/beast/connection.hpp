// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what Asio says

#include <cstddef>
#include <memory>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <pool/adapters/beast/kernel/channel.hpp>
#include <pool/adapters/beast/kernel/exchange.hpp>
#include <pool/adapters/beast/peer.hpp>
#include <pool/connection.hpp>
#include <pool/dial.hpp>

/// @file
/// An HTTP connection whose calls block.

namespace pool::beast {

template <class Transport>
class basic_dial;

/// A connection whose exchanges block. It has an `io_context` of its own, which takes three descriptors besides that of
/// the socket. Move-only. Not thread-safe.
template <class Transport>
class basic_connection : public peer<Transport> {
public:
    basic_connection() noexcept = default;  ///< none

    /// Sends a request, and waits for its response, which is read whole: a `response<Body>` of Beast. Adds what is
    /// missing of `Host` and `Content-Length`; with a proxy and the scheme `http`, also what that needs. Responses of
    /// 1xx are skipped, but for 101. Waits until `limits` or `options::exchange_timeout`. Throws `error`. If it throws
    /// before anything was sent because `limits` are over, the connection is as good as before.
    template <class Body = boost::beast::http::string_body, class RequestBody, class Fields>
    boost::beast::http::response<Body> exchange(
        boost::beast::http::request<RequestBody, Fields> request, const dial_context& limits = {}) {
        return perform<Body>(std::move(request), limits);
    }

    /// The same, but returns the header of the response. The body follows by `read_some`. If it is not read to its end,
    /// the connection is not used again.
    template <class RequestBody, class Fields>
    boost::beast::http::response_header<> begin(
        boost::beast::http::request<RequestBody, Fields> request, const dial_context& limits = {}) {
        return perform<kernel::in_pieces>(std::move(request), limits);
    }

    /// Reads the next bytes of a body, as many as there are, and waits if there are none. Returns how many; zero is the
    /// end of the body, or of a buffer without size. Throws `error`, also if the response ends too early.
    std::size_t read_some(boost::asio::mutable_buffer into, const dial_context& limits = {}) {
        const auto of = of_or_throw();
        of->check(limits);
        std::size_t got = 0;
        of->run(of->limited(limits), got, [&](auto handler) {
            boost::asio::async_compose<decltype(handler), void(std::exception_ptr, std::size_t)>(
                kernel::reading<Transport>{of, into}, handler, of->transport.socket());
        });
        return got;
    }

private:
    friend class basic_dial<Transport>;

    explicit basic_connection(std::shared_ptr<kernel::channel<Transport>> of) noexcept
        : peer<Transport>{std::move(of)} {}

    std::shared_ptr<kernel::channel<Transport>> of_or_throw() const {
        if (this->of_ == nullptr)
            throw std::system_error{std::make_error_code(std::errc::not_connected), "pool: no HTTP connection"};
        return this->of_;
    }

    template <class Body, class Request>
    auto perform(Request&& request, const dial_context& limits) {
        using operation =
            kernel::exchanging<Transport, typename Request::body_type, typename Request::fields_type, Body>;
        using result = typename kernel::exchange_result<Body>::type;
        const auto of = of_or_throw();
        of->check(limits);
        result got;
        of->run(of->limited(limits), got, [&](auto handler) {
            boost::asio::async_compose<decltype(handler), void(std::exception_ptr, result)>(
                operation{of, std::move(request)}, handler, of->transport.socket());
        });
        return got;
    }
};

}  // namespace pool::beast

/// By the members of the connection.
template <class Transport>
struct pool::connection_traits<pool::beast::basic_connection<Transport>>
    : pool::member_connection_traits<pool::beast::basic_connection<Transport>> {
    /// Asks only the system.
    static bool healthy(pool::beast::basic_connection<Transport>& c) noexcept { return c.healthy(); }
};
