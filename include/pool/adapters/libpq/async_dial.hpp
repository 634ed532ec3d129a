// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what libpq and Asio say

#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <stop_token>
#include <system_error>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/system/error_code.hpp>
#include <libpq-fe.h>

#include <pool/adapters/libpq/async_connection.hpp>
#include <pool/adapters/libpq/connection.hpp>
#include <pool/adapters/libpq/connection_key.hpp>
#include <pool/adapters/libpq/error.hpp>
#include <pool/dial.hpp>

/// @file
/// How connections of libpq are opened without a thread that waits.

namespace pool::libpq {

/// Dials for `async_acquire` and `async_invoke`, on the executor of their handler, until the stop of its context. The deadline is
/// kept by the caller. Only the look-up of a host name blocks: give `hostaddr`, if that matters.
class async_dial {
public:
    /// Cleans as these options say. Throws `std::invalid_argument` if `reset_timeout` is not positive.
    explicit async_dial(const libpq::options& how = {}) : options_{how} { kernel::check(how); }

    /// Opens one, and calls `handler(async_connection)`, or `handler(std::exception_ptr)` as `dial` throws.
    template <class Handler>
    void operator()(const connection_key& key, const dial_context& context, Handler handler) const {
        const auto executor = boost::asio::get_associated_executor(handler);
        std::make_shared<attempt<Handler>>(key, options_, context.stop, executor, std::move(handler))->begin();
    }

private:
    /// One dial. The stop is requested on its executor.
    template <class Handler>
    class attempt : public std::enable_shared_from_this<attempt<Handler>> {
        using executor_type = boost::asio::associated_executor_t<Handler>;

    public:
        attempt(const connection_key& key, const libpq::options& how, const std::stop_token& stop,
            const executor_type& executor, Handler&& handler)
            : conn_{PQconnectStart(key.conninfo().c_str()), how},
              socket_{executor},
              executor_{executor},
              handler_{std::move(handler)},
              stop_{stop} {}

        void begin() {
            give_up_.emplace(stop_, canceller{this});
            wait(PGRES_POLLING_WRITING);
        }

    private:
        struct canceller {
            attempt* of;
            void operator()() const noexcept {
                boost::system::error_code ignored;
                of->socket_.cancel(ignored);
            }
        };

        void wait(PostgresPollingStatusType state) {
            std::exception_ptr why;
            try {
                if (go_on(state)) return;
            } catch (...) {
                why = std::current_exception();
            }
            finish();
            if (why != nullptr) return std::move(handler_)(std::move(why));
            std::move(handler_)(boost::system::error_code{}, *std::move(made_));
        }

        /// Waits for the server. Returns false if the connection is open.
        bool go_on(PostgresPollingStatusType state) {
            if (conn_.get() == nullptr) throw std::bad_alloc{};
            if (stop_.stop_requested())
                throw std::system_error{std::make_error_code(std::errc::operation_canceled), "pool: a dial"};
            if (PQstatus(conn_) == CONNECTION_BAD) throw error{conn_.why_dead(), {}};
            if (state == PGRES_POLLING_OK) {
                made_.emplace(std::move(conn_), executor_);
                return false;
            }
            kernel::watch(socket_, PQsocket(conn_));  // another host has another socket
            const auto for_what = state == PGRES_POLLING_READING ? kernel::descriptor_base::wait_read
                                                                 : kernel::descriptor_base::wait_write;
            socket_.async_wait(for_what,
                boost::asio::bind_executor(executor_, [self = this->shared_from_this()](boost::system::error_code) {
                    self->wait(self->stop_.stop_requested() ? PGRES_POLLING_WRITING : PQconnectPoll(self->conn_));
                }));
            return true;
        }

        void finish() noexcept {
            give_up_.reset();
            boost::system::error_code ignored;
            socket_.close(ignored);
        }

        connection conn_;
        boost::asio::posix::stream_descriptor socket_;
        executor_type executor_;
        Handler handler_;
        std::stop_token stop_;
        std::optional<std::stop_callback<canceller>> give_up_;
        std::optional<async_connection> made_;
    };

    libpq::options options_;
};

/// The same for a pool of one peer: it holds the key.
class async_dial_to {
public:
    /// With these options.
    explicit async_dial_to(connection_key key, const libpq::options& how = {}) : key_{std::move(key)}, dial_{how} {}

    /// Opens one.
    template <class Handler>
    void operator()(const dial_context& context, Handler handler) const {
        dial_(key_, context, std::move(handler));
    }

private:
    connection_key key_;
    async_dial dial_;
};

}  // namespace pool::libpq
