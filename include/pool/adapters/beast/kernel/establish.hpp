// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what Asio says

#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/system/error_code.hpp>

#include <pool/adapters/beast/error.hpp>
#include <pool/adapters/beast/kernel/channel.hpp>
#include <pool/adapters/beast/kernel/keep_alive.hpp>

/// @file
/// The tunnel of a proxy, and TLS, which follow when a socket is connected. Private.

namespace pool::beast::kernel {

/// Makes a connection of a socket that is connected. Completes with `void(std::exception_ptr)`, maybe within its begin.
template <class Transport>
class establishing {
public:
    explicit establishing(std::shared_ptr<channel<Transport>> of) noexcept : of_{std::move(of)} {}

    template <class Self>
    void operator()(Self& self, boost::system::error_code failed = {}, std::size_t = 0) {
        channel<Transport>& of = *of_;
        switch (next_) {
        case next::begin:
            of.start_running();
            if (of.is_by_proxy() && !of.has_absolute_targets()) return ask_proxy(self);
            return begin_handshake(self);
        case next::asked:
            if (failed) return fail(self, step::proxy, failed);
            next_ = next::answered;
            of.header.emplace();
            of.header->header_limit(of.with.header_limit);
            of.header->skip(true);  // what follows is of the server
            return boost::beast::http::async_read_header(of.transport.socket(), of.buffer, *of.header, std::move(self));
        case next::answered:
            if (failed) return fail(self, step::proxy, failed);
            if (const std::string said = refusal(); !said.empty())
                return fail(self, step::proxy, boost::asio::error::connection_refused, said);
            of.header.reset();
            return begin_handshake(self);
        case next::ready:
            if (failed) return fail(self, step::handshake, failed);
            if (const auto interrupted = of.stop_running())
                return self.complete(of.dial_failure(step::handshake, {}, interrupted));
            of.open();
            return self.complete(std::exception_ptr{});
        }
    }

private:
    enum class next : unsigned char { begin, asked, answered, ready };

    template <class Self>
    void ask_proxy(Self& self) {
        channel<Transport>& of = *of_;
        next_ = next::asked;
        const connection_key& key = *of.key();
        const std::string to = in_brackets(key.host) + ':' + std::to_string(key.port_number());
        auto question = std::make_unique<std::string>("CONNECT " + to + " HTTP/1.1\r\nHost: " + to + "\r\n");
        if (!of.proxy().authorization.empty()) *question += "Proxy-Authorization: " + of.proxy().authorization + "\r\n";
        *question += "\r\n";
        question_ = std::move(question);
        const auto text = boost::asio::buffer(*question_);
        boost::asio::async_write(of.transport.socket(), text, std::move(self));
    }

    /// The answer of the proxy, if it has not made the tunnel.
    std::string refusal() const {
        const auto& got = of_->header->get();
        if (got.result_int() / 100 != 2)
            return "the proxy says: " + std::to_string(got.result_int()) + ' ' + std::string{view_of(got.reason())};
        if (of_->buffer.size() != 0) return "the proxy sends more than its answer";
        return {};
    }

    template <class Self>
    void begin_handshake(Self& self) {
        channel<Transport>& of = *of_;
        next_ = next::ready;
        if (of.transport.needs_handshake()) of.transport.async_handshake(std::move(self));
        else operator()(self);
    }

    template <class Self>
    void fail(Self& self, step during, boost::system::error_code why, const std::string& words = {}) {
        auto error = of_->dial_failure(during, why, of_->stop_running(), words);
        self.complete(std::move(error));
    }

    std::shared_ptr<channel<Transport>> of_;
    next next_ = next::begin;
    std::unique_ptr<std::string> question_{};
};

}  // namespace pool::beast::kernel
