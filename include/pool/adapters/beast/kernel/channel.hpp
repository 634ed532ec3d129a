// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what Asio says

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/verb.hpp>
#include <boost/system/error_code.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pool/adapters/beast/connection_key.hpp>
#include <pool/adapters/beast/error.hpp>
#include <pool/adapters/beast/kernel/interruption.hpp>
#include <pool/adapters/beast/kernel/keep_alive.hpp>
#include <pool/adapters/beast/options.hpp>
#include <pool/adapters/kernel/connect.hpp>
#include <pool/core/saturating.hpp>
#include <pool/dial.hpp>

/// @file
/// The state of one HTTP connection, and whether it takes another request. Private.

namespace pool::beast::kernel {

/// Whether a connection takes a request.
enum class phase : unsigned char {
    idle,  ///< it does
    busy,  ///< a response is not read to its end
    over,  ///< it never will
};

/// One connection. Operations hold it by a shared pointer, so it stays as long as they run. Not thread-safe, but for
/// the interruption and the phase.
template <class Transport>
class channel {
    using clock = std::chrono::steady_clock;
    static constexpr std::size_t most_read = 64 * 1024;  ///< by Beast, at once

public:
    using key_pointer = std::shared_ptr<const connection_key>;
    using header_parser = boost::beast::http::response_parser<boost::beast::http::empty_body>;
    using pieces_parser = boost::beast::http::response_parser<boost::beast::http::buffer_body>;

    /// For blocking callers: with a context of its own, on which they wait.
    channel(key_pointer key, const options& how)
        : context_{std::make_unique<boost::asio::io_context>(1)},
          transport{context_->get_executor()},
          buffer{how.header_limit + most_read},
          with{how},
          key_{std::move(key)},
          proxy_{proxy_of(*key_)} {}
    /// For asynchronous ones.
    channel(key_pointer key, const options& how, const boost::asio::any_io_executor& executor)
        : transport{executor},
          buffer{how.header_limit + most_read},
          with{how},
          key_{std::move(key)},
          proxy_{proxy_of(*key_)} {}
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;

private:
    std::unique_ptr<boost::asio::io_context> context_;  // before the socket, which is in it

public:
    Transport transport;
    boost::beast::flat_buffer buffer;  ///< what has arrived, and was not read
    const options with;
    std::optional<header_parser> header;  ///< of the response that is being read
    std::optional<pieces_parser> pieces;  ///< the same, if its body is read in pieces
    kernel::interruption interruption;    ///< of the operation that runs

    auto& stream() noexcept { return transport.stream(); }
    const key_pointer& key() const noexcept { return key_; }
    const proxy_address& proxy() const noexcept { return proxy_; }
    bool is_by_proxy() const noexcept { return !proxy_.host.empty(); }
    /// Whether requests have the whole URL, because the proxy itself answers them.
    bool has_absolute_targets() const noexcept { return is_by_proxy() && key_->scheme == "http"; }
    phase now() const noexcept { return phase_.load(std::memory_order_acquire); }
    const std::string& why_over() const noexcept { return why_over_; }
    bool is_blocking() const noexcept { return context_ != nullptr; }

    /// Takes a socket that is connected.
    void take(adapters::kernel::owned_socket connected) {
        sockaddr_storage address{};
        socklen_t size = sizeof address;
        ::getsockname(connected.get(), reinterpret_cast<sockaddr*>(&address), &size);
        using tcp = boost::asio::ip::tcp;
        transport.socket().assign(address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), connected.get());
        connected.release();
        has_connected();
    }
    /// The socket is connected.
    void has_connected() noexcept {
        int on = 1;
        ::setsockopt(transport.socket().native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    /// It takes requests.
    void open() noexcept { set(phase::idle); }

    /// An operation runs.
    bool is_running() const noexcept { return is_running_.load(std::memory_order_acquire); }

    /// An exchange begins. Returns an error if it cannot, in which case nothing was sent.
    std::exception_ptr begin_exchange(boost::beast::http::verb method, bool keeps_alive) {
        const error::facts known{.during = step::write,
            .key = key_,
            .may_have_arrived = false,
            .has_answer = false,
            .is_idempotent = kernel::is_idempotent(method),
            .is_reused = exchanges_ > 0};
        if (now() == phase::busy) return refuse(std::errc::operation_in_progress, "a response is not read to its end");
        if (now() == phase::over) return refuse(std::errc::not_connected, why_over_);
        if (known.is_reused && !transport.is_quiet()) {
            end("the server has closed it, or sent something, while it was idle");
            return std::make_exception_ptr(error{std::make_error_code(std::errc::connection_reset), known, why_over_});
        }
        known_ = known;
        method_ = method;
        keeps_alive_ = keeps_alive;
        is_by_hand_ = false;
        pieces.reset();
        why_over_ = "its response is not read to its end";
        set(phase::busy);
        return nullptr;
    }

    /// The error of a request that is not sent, because its caller is wrong. The connection is as good as before.
    std::exception_ptr refuse(std::errc why, const std::string& words) const {
        return std::make_exception_ptr(
            error{std::make_error_code(why), {.during = step::write, .key = key_, .is_refused = true}, words});
    }

    /// So many bytes of the request were sent.
    void has_sent(std::size_t bytes) noexcept { known_.may_have_arrived = known_.may_have_arrived || bytes > 0; }
    bool has_sent() const noexcept { return known_.may_have_arrived; }
    /// The next step begins, for the errors.
    void enter(step next) noexcept { known_.during = next; }
    /// No request follows this one.
    void take_no_more() noexcept { keeps_alive_ = false; }
    /// A header has arrived.
    void has_answered() noexcept { known_.has_answer = true; }

    /// A parser for the header of the response to the request that was sent.
    void expect_header(std::uint64_t body_limit) {
        header.emplace();
        header->header_limit(with.header_limit);
        header->body_limit(body_limit);
        using boost::beast::http::verb;
        header->skip(method_ == verb::head || method_ == verb::connect);
    }

    /// A response was read whole. Decides whether another request may follow.
    template <class Parser>
    void end_exchange(Parser& parser) {
        judge(parser.get(), parser.need_eof());
    }

    /// The same for a response that somebody else has read.
    template <class Header>
    void judge(const Header& response, bool needs_eof) {
        ++exchanges_;
        const auto status = response.result_int();
        const keep_alive_limits said = keep_alive_of(response);
        if (said.max) left_ = *said.max;
        else if (left_ && *left_ > 0) --*left_;
        keep_until_ = clock::time_point::max();
        if (said.timeout) {
            const auto kept = *said.timeout - with.keep_alive_margin;
            keep_until_ = core::saturating_add(clock::now(), kept);
            if (kept <= kept.zero()) return end("the server keeps it for no longer than the keep_alive_margin");
        }
        if (status == 101) return end("it has changed to another protocol");
        if (method_ == boost::beast::http::verb::connect) return end("it was used as a tunnel");
        if (status < 200) return end("its final response was not read");
        if (!response.keep_alive() || says_close(response)) return end("the server closes it");
        if (response.find(boost::beast::http::field::transfer_encoding) != response.end() &&
            (!response.chunked() || response.version() < 11))
            return end("the length of its response is in doubt");
        if (needs_eof) return end("its response ends with the connection");
        if (!keeps_alive_) return end("its request closes it");
        if (left_ == std::uint64_t{0}) return end("the server takes no more requests on it");
        if (buffer.size() != 0) return end("bytes follow the response");
        why_over_.clear();
        set(phase::idle);
    }

    /// It failed. Returns the error, which is the reason of the interruption if there was one.
    std::exception_ptr failure(boost::system::error_code why, std::optional<std::errc> interrupted = {}) {
        if (buffer.size() != 0 || (header && header->got_some())) has_answered();
        const std::error_code code = interrupted ? std::make_error_code(*interrupted) : std::error_code{why};
        auto thrown = std::make_exception_ptr(error{code, known_, {}});
        end(code.message());
        return thrown;
    }

    /// The error of a dial.
    std::exception_ptr dial_failure(step during, boost::system::error_code why,
        std::optional<std::errc> interrupted = {}, const std::string& words = {}) {
        known_ = {};
        known_.during = during;
        known_.key = key_;
        const std::error_code code = interrupted ? std::make_error_code(*interrupted) : std::error_code{why};
        const std::string more = interrupted                                  ? std::string{}
                                 : words.empty() && during == step::handshake ? transport.words()
                                                                              : words;
        return std::make_exception_ptr(error{code, known_, more});
    }

    /// No request follows.
    void end(const std::string& why) {
        why_over_ = why;
        set(phase::over);
    }

    /// Its user reads and writes by itself.
    void lend_stream() {
        if (now() == phase::over) return;
        why_over_ = "its user has not said what has become of it";
        method_ = boost::beast::http::verb::get;
        keeps_alive_ = true;
        is_by_hand_ = true;
        set(phase::busy);
    }
    /// Whether its user reads and writes, and has to say what has become of it.
    bool is_by_hand() const noexcept { return now() == phase::busy && is_by_hand_; }

    /// Whether it may be lent again.
    bool is_healthy() noexcept { return now() == phase::idle && clock::now() < keep_until_ && transport.is_quiet(); }
    /// How long the server keeps it.
    std::chrono::nanoseconds expires() const noexcept {
        if (keep_until_ == clock::time_point::max()) return std::chrono::nanoseconds::max();
        return keep_until_ - clock::now();
    }

    /// Ends the connection. What runs ends with an error.
    void close() noexcept {
        if (now() == phase::idle && !is_running()) transport.say_goodbye();
        set(phase::over);
        if (is_blocking() && with.close_timeout > with.close_timeout.zero()) wait_for_server();
        interruption.forget();  // the number of the descriptor is free from now on
        boost::system::error_code ignored;
        transport.socket().close(ignored);
    }

    /// An operation begins. Returns its number for an interruption.
    std::uint64_t start_running() noexcept {
        is_running_.store(true, std::memory_order_release);
        return interruption.begin(transport.socket().native_handle());
    }
    /// It has ended. Returns why it was interrupted.
    std::optional<std::errc> stop_running() noexcept {
        const auto why = interruption.end();
        is_running_.store(false, std::memory_order_release);
        return why;
    }

    /// Throws if a blocking caller must not even begin.
    void check(const dial_context& limits) const {
        if (is_broken_)
            throw error{std::make_error_code(std::errc::not_connected), {.during = step::write, .key = key_}};
        const bool is_stopped = limits.stop.stop_requested();
        if (!is_stopped && limits.deadline > clock::now()) return;
        const auto why = is_stopped ? std::errc::operation_canceled : std::errc::timed_out;
        throw error{std::make_error_code(why), {.during = step::write, .key = key_}};
    }

    /// The limits of a blocking caller, and of the options.
    dial_context limited(const dial_context& limits) const {
        if (with.exchange_timeout == with.exchange_timeout.zero()) return limits;
        return {std::min(limits.deadline, core::saturating_add(clock::now(), with.exchange_timeout)), limits.stop};
    }

    /// Runs an operation of a blocking caller to its end. `start(handler)` begins it; the handler takes a
    /// `std::exception_ptr`, which is thrown, and maybe a result, which goes to `result`.
    template <class Result, class Start>
    void run(const dial_context& limits, Result& result, Start&& start);

    /// The error of a read without a response.
    std::exception_ptr nothing_to_read() const {
        return std::make_exception_ptr(
            error{std::make_error_code(std::errc::not_connected), known_, "no response is being read"});
    }

private:
    /// Until the server has ended the connection, too.
    void wait_for_server() noexcept {
        const int socket = transport.socket().native_handle();
        if (socket == -1 || ::shutdown(socket, SHUT_WR) != 0) return;
        try {
            adapters::kernel::wait_for_end(socket, adapters::kernel::within(with.close_timeout));
        } catch (const std::exception&) {  // it takes too long
        }
    }
    void set(phase next) noexcept { phase_.store(next, std::memory_order_release); }

    key_pointer key_;
    proxy_address proxy_;
    std::atomic<phase> phase_ = phase::busy;
    std::atomic<bool> is_running_ = false;
    std::string why_over_ = "it is not open yet";
    error::facts known_{.key = key_};  ///< of the exchange that runs
    boost::beast::http::verb method_ = boost::beast::http::verb::get;
    bool keeps_alive_ = true;  ///< what its request says
    bool is_by_hand_ = false;
    bool is_broken_ = false;  ///< an exception has left an operation in the context, which must not run any more
    std::uint64_t exchanges_ = 0;
    std::optional<std::uint64_t> left_{};  ///< how many more the server takes, if it has said so
    clock::time_point keep_until_ = clock::time_point::max();
};

/// The end of an operation, for which a blocking caller waits.
template <class Result>
struct outcome {
    Result* result;
    bool* is_over;
    std::exception_ptr* error;

    template <class... Got>
    void operator()(std::exception_ptr failed, Got&&... got) const {
        *is_over = true;
        *error = std::move(failed);
        if constexpr (sizeof...(Got) != 0) ((*result = std::forward<Got>(got)), ...);
    }
};

template <class Transport>
template <class Result, class Start>
void channel<Transport>::run(const dial_context& limits, Result& result, Start&& start) {
    bool is_over = false;
    std::exception_ptr error;
    boost::asio::io_context& context = *context_;
    context.restart();
    try {
        start(outcome<Result>{&result, &is_over, &error});
        const std::uint64_t number = interruption.number();
        const auto stop = [this, number]() noexcept { interruption.interrupt(number, std::errc::operation_canceled); };
        const std::stop_callback<decltype(stop)> stops{limits.stop, stop};
        if (limits.deadline == limits.deadline.max()) context.run();
        else context.run_until(limits.deadline);
        if (!is_over) {
            interruption.interrupt(number, std::errc::timed_out);
            context.run();
        }
    } catch (...) {  // as there is no memory
        is_broken_ = true;
        end("an exception has ended its operation");
        throw;
    }
    if (error != nullptr) std::rethrow_exception(error);
}

}  // namespace pool::beast::kernel
