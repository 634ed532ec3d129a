// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what Asio says

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/error_code.hpp>

#include <pool/adapters/beast/async_connection.hpp>
#include <pool/adapters/beast/connection_key.hpp>
#include <pool/adapters/beast/kernel/channel.hpp>
#include <pool/adapters/beast/kernel/establish.hpp>
#include <pool/adapters/beast/options.hpp>
#include <pool/adapters/kernel/connect.hpp>
#include <pool/dial.hpp>

/// @file
/// How HTTP connections are opened without a thread that waits.

namespace pool::beast {

namespace kernel {

/// One asynchronous dial: looks up the name, connects to one address after the other, and makes a connection of the
/// socket. All of it runs on a strand. It keeps itself alive.
template <class Transport, class Handler>
class dialling : public std::enable_shared_from_this<dialling<Transport, Handler>> {
    using tcp = boost::asio::ip::tcp;
    using error_code = boost::system::error_code;
    using clock = std::chrono::steady_clock;
    using channel_pointer = std::shared_ptr<channel<Transport>>;
    using handler_executor = boost::asio::associated_executor_t<Handler>;

public:
    dialling(channel_pointer made, const dial_context& limits, Handler&& handler)
        : work_{boost::asio::get_associated_executor(handler)},
          strand_{boost::asio::make_strand(boost::asio::any_io_executor{work_.get_executor()})},
          made_{std::move(made)},
          resolver_{strand_},
          timer_{strand_},
          limits_{limits},
          handler_{std::move(handler)} {}

    void begin() {
        boost::asio::post(strand_, [self = this->shared_from_this()] { self->guarded(&dialling::resolve); });
    }

private:
    /// A step that throws, for lack of memory, ends the dial.
    void guarded(void (dialling::*step)()) {
        try {
            (this->*step)();
        } catch (...) {
            end(std::current_exception());
        }
    }

    void resolve() {
        give_up_.emplace(limits_.stop, canceller{this->weak_from_this()});
        const proxy_address& proxy = made_->proxy();
        const connection_key& key = *made_->key();
        const std::string host = made_->is_by_proxy() ? proxy.host : key.host;
        const auto port = static_cast<unsigned short>(made_->is_by_proxy() ? proxy.port : key.port_number());
        error_code is_name;
        const auto address = boost::asio::ip::make_address(host, is_name);
        if (!is_name) {
            addresses_.push_back({address, port});
            return connect();
        }
        resolver_.async_resolve(host, std::to_string(port),
            [self = this->shared_from_this()](error_code failed, const tcp::resolver::results_type& found) {
                if (failed) return self->fail(step::resolve, failed);
                self->found_ = found;
                self->guarded(&dialling::take_found);
            });
    }

    void take_found() {
        for (const auto& each : found_) addresses_.push_back(each.endpoint());
        connect();
    }

    /// The stop may be requested by any thread.
    struct canceller {
        std::weak_ptr<dialling> of;
        void operator()() const noexcept {
            const auto alive = of.lock();
            if (alive == nullptr) return;
            try {
                boost::asio::post(alive->strand_, [alive] { alive->give_up(); });
            } catch (...) {  // there is no memory: the deadline of the system ends it
            }
        }
    };

    void give_up() {
        if (is_over_) return;
        resolver_.cancel();
        error_code ignored;
        if (is_connecting_) made_->transport.socket().close(ignored);
        else made_->interruption.interrupt(made_->interruption.number(), std::errc::operation_canceled);
    }

    /// Connects to the next address. The time that is left is divided among the addresses that are left.
    void connect() {
        if (limits_.stop.stop_requested()) return fail(step::connect, boost::asio::error::operation_aborted);
        if (next_ == addresses_.size()) return fail(step::connect, boost::asio::error::host_not_found);
        const tcp::endpoint to = addresses_[next_++];
        auto& socket = made_->transport.socket();
        error_code failed;
        try {
            adapters::kernel::owned_socket fresh{to.protocol().family()};  // Asio's own are not close-on-exec
            socket.close(failed);
            socket.assign(to.protocol(), fresh.get(), failed);
            if (!failed) fresh.release();
        } catch (const std::system_error& e) {
            failed.assign(e.code().value(), boost::system::system_category());
        }
        if (failed) return fail(step::connect, failed);
        const auto left = addresses_.size() - next_ + 1;
        const auto now = clock::now();
        const auto number = ++connect_;
        if (left > 1 && limits_.deadline != limits_.deadline.max() && limits_.deadline > now) {
            timer_.expires_after((limits_.deadline - now) / static_cast<long>(left));
            timer_.async_wait([self = this->shared_from_this(), number](error_code cancelled) {
                error_code ignored;
                if (!cancelled && self->is_connecting_ && self->connect_ == number)
                    self->made_->transport.socket().close(ignored);
            });
        }
        is_connecting_ = true;
        socket.async_connect(
            to, boost::asio::bind_executor(strand_, [self = this->shared_from_this()](error_code refused) {
                self->is_connecting_ = false;
                self->timer_.cancel();
                if (!refused && !self->made_->transport.socket().is_open())  // its time was over just before
                    refused = boost::asio::error::timed_out;
                if (!refused) return self->guarded(&dialling::establish);
                const bool is_last = self->next_ == self->addresses_.size();
                if (is_last || self->limits_.stop.stop_requested()) return self->fail(step::connect, refused);
                self->guarded(&dialling::connect);
            }));
    }

    void establish() {
        made_->has_connected();
        auto handler = boost::asio::bind_executor(
            strand_, [self = this->shared_from_this()](std::exception_ptr failed) { self->end(std::move(failed)); });
        boost::asio::async_compose<decltype(handler), void(std::exception_ptr)>(
            establishing<Transport>{made_}, handler, made_->transport.socket());
        if (limits_.stop.stop_requested()) give_up();  // it may have come before there was a number
    }

    void fail(step during, error_code why) {
        const bool is_stopped = limits_.stop.stop_requested();
        end(made_->dial_failure(during, why, is_stopped ? std::optional{std::errc::operation_canceled} : std::nullopt));
    }

    void end(std::exception_ptr why) {
        is_over_ = true;
        give_up_.reset();
        boost::asio::post(work_.get_executor(), [self = this->shared_from_this(), why = std::move(why)]() mutable {
            self->work_.reset();
            auto handler = std::move(self->handler_);
            if (why != nullptr) return std::move(handler)(std::move(why));
            std::move(handler)(error_code{}, basic_async_dial<Transport>::own(std::move(self->made_)));
        });
    }

    boost::asio::executor_work_guard<handler_executor> work_;
    boost::asio::strand<boost::asio::any_io_executor> strand_;
    channel_pointer made_;
    tcp::resolver resolver_;
    boost::asio::steady_timer timer_;
    dial_context limits_;
    Handler handler_;
    tcp::resolver::results_type found_{};
    std::vector<tcp::endpoint> addresses_{};
    std::size_t next_ = 0;
    std::size_t connect_ = 0;
    bool is_connecting_ = false;
    bool is_over_ = false;  ///< the connection belongs to the handler
    std::optional<std::stop_callback<canceller>> give_up_{};
};

}  // namespace kernel

/// Dials for `async_acquire` and `async_invoke`, on the executor of their handler, until the stop of its context. The
/// deadline is kept by the caller. A thread of Asio looks up names, one after the other, and no look-up is interrupted. Throws and shares as `basic_dial`.
template <class Transport>
class basic_async_dial {
public:
    /// Connections are used as these options say. Throws `std::invalid_argument` for options that make no sense.
    explicit basic_async_dial(const options& how = {})
        : options_{how},
          shared_{std::make_shared<typename Transport::shared>()} {
        kernel::check(how);
    }

    /// Opens one, and calls `handler(error_code, connection)`, or `handler(std::exception_ptr)` with an `error`.
    template <class Handler>
    void operator()(const connection_key& key, const dial_context& limits, Handler handler) const {
        kernel::check(key);
        const boost::asio::any_io_executor executor{boost::asio::get_associated_executor(handler)};
        auto made = std::make_shared<kernel::channel<Transport>>(
            std::make_shared<const connection_key>(key), options_, executor);
        made->transport.prepare(key, *shared_);
        std::make_shared<kernel::dialling<Transport, Handler>>(std::move(made), limits, std::move(handler))->begin();
    }

private:
    template <class, class>
    friend class kernel::dialling;

    static basic_async_connection<Transport> own(std::shared_ptr<kernel::channel<Transport>> made) noexcept {
        return basic_async_connection<Transport>{std::move(made)};
    }

    options options_;
    std::shared_ptr<typename Transport::shared> shared_;
};

/// The same for a pool of one peer: it holds the key.
template <class Transport>
class basic_async_dial_to {
public:
    /// With these options.
    explicit basic_async_dial_to(connection_key key, const options& how = {}) : key_{std::move(key)}, dial_{how} {}

    /// Opens one.
    template <class Handler>
    void operator()(const dial_context& limits, Handler handler) const {
        dial_(key_, limits, std::move(handler));
    }

private:
    connection_key key_;
    basic_async_dial<Transport> dial_;
};

}  // namespace pool::beast
