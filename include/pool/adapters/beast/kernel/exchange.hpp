// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what Asio says

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/verb.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/system/error_code.hpp>
#include <boost/version.hpp>

#if BOOST_VERSION >= 107700
#include <boost/asio/cancellation_type.hpp>
#endif

#include <pool/adapters/beast/error.hpp>
#include <pool/adapters/beast/kernel/channel.hpp>
#include <pool/adapters/beast/kernel/request_rules.hpp>

/// @file
/// One request and its response, as asynchronous operations. Private.

namespace pool::beast::kernel {

/// Stands for the body of a response that is read in pieces.
struct in_pieces {};

/// The result of an exchange: a response, or its header if the body follows in pieces.
template <class Body>
struct exchange_result {
    using type = boost::beast::http::response<Body>;
};
template <>
struct exchange_result<in_pieces> {
    using type = boost::beast::http::response_header<>;
};

/// The steps of an operation have this in common.
template <class Transport>
class operation {
protected:
    using error_code = boost::system::error_code;

    explicit operation(std::shared_ptr<channel<Transport>> of) noexcept : of_{std::move(of)} {}

    /// Ends with an error within the call that begins it. Handlers are never called there.
    template <class Self>
    static void refuse(Self& self) {
        const auto executor = self.get_executor();
        boost::asio::post(executor, std::move(self));
    }

    /// Begins, with the limit of the options for asynchronous callers. Blocking ones wait no longer anyway.
    void start() {
        const std::uint64_t number = of_->start_running();
        const auto limit = of_->with.exchange_timeout;
        if (of_->is_blocking() || limit == limit.zero()) return;
        timer_ = std::make_unique<boost::asio::steady_timer>(
            of_->transport.socket().get_executor(), core::saturating_add(std::chrono::steady_clock::now(), limit));
        timer_->async_wait([of = of_, number](error_code cancelled) {
            if (!cancelled) of->interruption.interrupt(number, std::errc::timed_out);
        });
    }
    /// Ends. Returns why it was interrupted.
    std::optional<std::errc> stop() noexcept {
        timer_.reset();
        return of_->stop_running();
    }

    /// A cancellation that has come between two steps is an error of the next one, too.
    template <class Self>
    static error_code checked(Self& self, error_code got) {
#if BOOST_VERSION >= 107700
        if (!got && self.cancelled() != boost::asio::cancellation_type::none)
            return boost::asio::error::operation_aborted;
#else
        (void)self;
#endif
        return got;
    }

    std::shared_ptr<channel<Transport>> of_;

private:
    std::unique_ptr<boost::asio::steady_timer> timer_{};
};

/// Writes a request, and reads its response, or only the header of that.
template <class Transport, class RequestBody, class Fields, class Body>
class exchanging : operation<Transport> {
    using base = operation<Transport>;
    using base::of_;
    using typename base::error_code;
    using request_type = boost::beast::http::request<RequestBody, Fields>;
    using result_type = typename exchange_result<Body>::type;
    static constexpr bool has_pieces = std::is_same_v<Body, in_pieces>;
    static constexpr auto no_limit = std::numeric_limits<std::uint64_t>::max();

    /// These must not move while they are written and read.
    struct parts {
        explicit parts(request_type&& sent) : request{std::move(sent)}, serializer{request} {}
        request_type request;
        boost::beast::http::request_serializer<RequestBody, Fields> serializer;
        std::optional<
            boost::beast::http::response_parser<std::conditional_t<has_pieces, boost::beast::http::empty_body, Body>>>
            parser{};
    };

public:
    exchanging(std::shared_ptr<channel<Transport>> of, request_type&& request)
        : base{std::move(of)},
          parts_{std::make_unique<parts>(std::move(request))} {}

    template <class Self>
    void operator()(Self& self, error_code failed = {}, std::size_t bytes = 0) {
        channel<Transport>& of = *of_;
        if (next_ != next::begin && next_ != next::refuse) failed = base::checked(self, failed);
        switch (next_) {
        case next::begin:
            if (const char* const wrong = what_is_wrong(); wrong != nullptr)
                refusal_ = of.refuse(std::errc::invalid_argument, wrong);
            else refusal_ = of.begin_exchange(parts_->request.method(), parts_->request.keep_alive());
            next_ = refusal_ == nullptr ? next::written : next::refuse;
            if (refusal_ != nullptr) return base::refuse(self);
            base::start();
            return write(self);
        case next::refuse:
            return self.complete(std::move(refusal_), result_type{});
        case next::written:
            of.has_sent(bytes);
            write_error_ = failed;
            // A server may have answered before it has read all of a request, or have said why it ends the connection.
            if (failed && failed != boost::asio::error::broken_pipe && failed != boost::asio::error::connection_reset)
                return fail(self, failed);
            of.enter(step::read_header);
            return read_header(self);
        case next::has_header:
            if (write_error_ && (failed || !of.has_sent()))
                return fail(self, is_reason(failed) ? failed : write_error_);
            if (failed) return fail(self, failed);
            of.has_answered();
            if (is_interim()) return read_header(self);
            if (write_error_) of.take_no_more();
            of.enter(step::read_body);
            return begin_body(self);
        case next::has_body:
            if (failed) return fail(self, failed);
            return succeed(self);
        }
    }

private:
    enum class next : unsigned char { begin, refuse, written, has_header, has_body };

    /// Adds what every request needs, and this one does not have.
    void complete_request() {
        using boost::beast::http::field;
        request_type& request = parts_->request;
        if (request.chunked())
            request.erase(field::content_length);  // one server would read the one, another the other
        if (!request.has_content_length() && !request.chunked()) request.prepare_payload();
        const connection_key& key = *of_->key();
        if (request.find(field::host) == request.end()) request.set(field::host, key.authority());
        if (!of_->has_absolute_targets() || request.method() == boost::beast::http::verb::connect) return;
        const std::string target{view_of(request.target())};
        if (target.starts_with('/')) request.target("http://" + key.authority() + target);
        else if (target == "*") request.target("http://" + key.authority());
        const std::string& authorization = of_->proxy().authorization;
        if (!authorization.empty() && request.find(field::proxy_authorization) == request.end())
            request.set(field::proxy_authorization, authorization);
    }

    /// Why it must not be sent; null if it may.
    const char* what_is_wrong() {
        try {
            complete_request();
        } catch (const std::invalid_argument&) {  // of Beast
            return "a TRACE has no body";
        }
        if (const char* const wrong = kernel::what_is_wrong(parts_->request); wrong != nullptr) return wrong;
        if (!of_->has_absolute_targets() || parts_->request.method() == boost::beast::http::verb::connect)
            return nullptr;
        const std::string server = "http://" + of_->key()->authority();
        const auto target = view_of(parts_->request.target());
        const bool is_of_key = target == server || target.starts_with(server + '/');
        return is_of_key ? nullptr : "its target is one of another server than that of the key";
    }

    /// Whether it is a response before the one that counts.
    bool is_interim() const {
        const auto status = of_->header->get().result_int();
        return status >= 100 && status < 200 && status != 101;
    }

    /// Whether it says more than that the connection has failed: an alert of TLS.
    static bool is_reason(error_code why) noexcept {
        return why && std::string_view{why.category().name()} == "asio.ssl";
    }

    template <class Self>
    void write(Self& self) {
        auto& stream = of_->stream();
        auto& serializer = parts_->serializer;
        boost::beast::http::async_write(stream, serializer, std::move(self));
    }

    template <class Self>
    void read_header(Self& self) {
        channel<Transport>& of = *of_;
        next_ = next::has_header;
        of.expect_header(has_pieces ? no_limit : of.with.body_limit);
        boost::beast::http::async_read_header(of.stream(), of.buffer, *of.header, std::move(self));
    }

    template <class Self>
    void begin_body(Self& self) {
        channel<Transport>& of = *of_;
        if constexpr (has_pieces) {
            of.pieces.emplace(std::move(*of.header));
            of.header.reset();
            const auto interrupted = base::stop();
            if (interrupted && !of.pieces->is_done()) return interrupt(self, *interrupted);
            if (of.pieces->is_done()) of.end_exchange(*of.pieces);
            auto got = of.pieces->get().base();
            end_if(interrupted);
            self.complete(std::exception_ptr{}, std::move(got));
        } else {
            auto& parser = parts_->parser;
            parser.emplace(std::move(*of.header));
            of.header.reset();
            if (parser->is_done()) return succeed(self);
            next_ = next::has_body;
            boost::beast::http::async_read(of.stream(), of.buffer, *parser, std::move(self));
        }
    }

    template <class Self>
    void succeed(Self& self) {
        if constexpr (!has_pieces) {
            const auto interrupted = base::stop();
            // An interruption looks like the end of a body that ends with the connection.
            if (interrupted && parts_->parser->need_eof()) return interrupt(self, *interrupted);
            of_->end_exchange(*parts_->parser);
            end_if(interrupted);
            self.complete(std::exception_ptr{}, parts_->parser->release());
        }
    }

    /// It was interrupted before its end.
    template <class Self>
    void interrupt(Self& self, std::errc why) {
        of_->pieces.reset();
        auto error = of_->failure({}, why);
        self.complete(std::move(error), result_type{});
    }

    /// It was interrupted after its end: the socket is shut down.
    void end_if(std::optional<std::errc> interrupted) {
        if (interrupted) of_->end("it was interrupted");
    }

    template <class Self>
    void fail(Self& self, error_code why) {
        if (write_error_) of_->enter(step::write);
        auto error = of_->failure(why, base::stop());
        self.complete(std::move(error), result_type{});
    }

    std::unique_ptr<parts> parts_;
    next next_ = next::begin;
    error_code write_error_{};
    std::exception_ptr refusal_{};
};

/// Reads the next piece of a body.
template <class Transport>
class reading : operation<Transport> {
    using base = operation<Transport>;
    using base::of_;
    using typename base::error_code;

public:
    reading(std::shared_ptr<channel<Transport>> of, boost::asio::mutable_buffer into) noexcept
        : base{std::move(of)},
          into_{into} {}

    template <class Self>
    void operator()(Self& self, error_code failed = {}, std::size_t = 0) {
        channel<Transport>& of = *of_;
        if (std::exchange(is_first_, false)) {
            if (!of.pieces) refusal_ = of.nothing_to_read();
            // At the end of the body, the connection may have become idle already, or have ended: the parser knows.
            is_at_end_ = refusal_ != nullptr || of.pieces->is_done() || into_.size() == 0;
            if (is_at_end_) return base::refuse(self);
            base::start();
            auto& body = of.pieces->get().body();
            body.data = into_.data();
            body.size = into_.size();
            body.more = true;
            return read(self);
        }
        if (is_at_end_) return self.complete(std::move(refusal_), std::size_t{0});
        if (failed == boost::beast::http::error::need_buffer) failed = {};  // it is full
        failed = base::checked(self, failed);
        if (failed) {
            auto error = of.failure(failed, base::stop());
            of.pieces.reset();
            return self.complete(std::move(error), std::size_t{0});
        }
        const std::size_t got = into_.size() - of.pieces->get().body().size;
        if (got == 0 && !of.pieces->is_done()) return read(self);
        const auto interrupted = base::stop();
        // An interruption looks like the end of a body that ends with the connection, now or at the next read.
        if (interrupted && (!of.pieces->is_done() || of.pieces->need_eof())) {
            auto error = of.failure({}, interrupted);
            of.pieces.reset();
            return self.complete(std::move(error), std::size_t{0});
        }
        if (of.pieces->is_done()) of.end_exchange(*of.pieces);
        if (interrupted) of.end("it was interrupted");
        self.complete(std::exception_ptr{}, std::size_t{got});
    }

private:
    template <class Self>
    void read(Self& self) {
        channel<Transport>& of = *of_;
        boost::beast::http::async_read_some(of.stream(), of.buffer, *of.pieces, std::move(self));
    }

    boost::asio::mutable_buffer into_;
    bool is_first_ = true;
    bool is_at_end_ = false;
    std::exception_ptr refusal_{};
};

}  // namespace pool::beast::kernel
