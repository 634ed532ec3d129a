// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what libpq and Asio say

#include <cerrno>
#include <chrono>
#include <exception>
#include <initializer_list>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <fcntl.h>
#include <libpq-fe.h>
#include <unistd.h>

#include <pool/adapters/libpq/connection.hpp>
#include <pool/connection.hpp>
#include <pool/hook_done.hpp>

/// @file
/// A connection of libpq whose commands block no thread.

namespace pool::libpq {

namespace kernel {

/// A descriptor of Asio for a socket of libpq. It is a duplicate, because both would close the same one.
inline void watch(boost::asio::posix::stream_descriptor& by, int socket) {
    const int copy = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) throw std::system_error{errno, std::generic_category(), "pool: the socket of a connection"};
    boost::system::error_code failed;
    if (by.is_open()) by.close(failed);
    by.assign(copy, failed);
    if (!failed) return;
    ::close(copy);
    throw boost::system::system_error{failed, "pool: the socket of a connection"};
}

using boost::asio::posix::descriptor_base;

}  // namespace kernel

/// A connection whose commands and whose cleaning block no thread. In a pool, `async_acquire` and `async_invoke` lend it. What
/// they do not wait for is done on the executor: the pool cleans a connection there after it was given back, and lends it
/// afterwards. Run the executor until the pool has ended. Not thread-safe, and not to be moved while an operation is under
/// way. The functions of libpq that block may still be called.
class async_connection : public connection {
public:
    using executor_type = boost::asio::any_io_executor;  ///< of its operations

    /// Owns a connection that is open. Throws a `std::system_error` if there is no descriptor for its socket.
    async_connection(connection&& opened, const executor_type& executor)
        : connection{std::move(opened)},
          socket_{boost::asio::make_strand(executor)} {
        kernel::watch(socket_, PQsocket(get()));
    }
    async_connection(async_connection&&) = default;  ///< leaves the other without a connection
    /// Finishes its own connection first.
    async_connection& operator=(async_connection&& other) noexcept {
        boost::system::error_code ignored;
        socket_.close(ignored);
        connection::operator=(std::move(other));
        socket_ = std::move(other.socket_);
        return *this;
    }

    executor_type get_executor() noexcept { return socket_.get_executor(); }  ///< a strand of that of its dial

    /// Executes a command, as `execute` does. Completes with `void(std::exception_ptr, result)`: an `error` if it fails, a
    /// `std::invalid_argument` if it begins a COPY. The parameters are copied before it returns. If it is cancelled, the
    /// connection has a command that is running, and a pool closes it.
    template <class Token>
    auto async_execute(const char* command, std::initializer_list<const char*> parameters, Token&& token) {
        PQsetnonblocking(get(), 1);
        const int is_sent = parameters.size() == 0
                                ? PQsendQuery(get(), command)
                                : PQsendQueryParams(get(), command, static_cast<int>(parameters.size()), nullptr,
                                      std::data(parameters), nullptr, nullptr, 0);
        return boost::asio::async_compose<Token, void(std::exception_ptr, result)>(
            execution{*this, is_sent != 0}, token, socket_);
    }
    /// The same without parameters.
    template <class Token>
    auto async_execute(const char* command, Token&& token) {
        return async_execute(command, {}, std::forward<Token>(token));
    }

    /// Cleans it as `clean`, within `options::reset_timeout`. Completes with `void(std::exception_ptr)`.
    template <class Token>
    auto async_clean(Token&& token) {
        return boost::asio::async_compose<Token, void(std::exception_ptr)>(
            cleaning{*this, limit_of(reset_timeout())}, token, socket_);
    }

    /// Sends an empty command, within the same time. Completes as `async_clean`.
    template <class Token>
    auto async_keep_alive(Token&& token) {
        return boost::asio::async_compose<Token, void(std::exception_ptr)>(
            keeping{*this, limit_of(reset_timeout())}, token, socket_);
    }

    // For the pool.

    /// As that of a `connection`; it may wait.
    void close() noexcept {
        boost::system::error_code ignored;
        socket_.close(ignored);
        connection::close();
    }

    /// In the child of a fork. The descriptor of Asio is given up as it is: the parent's reactor knows it.
    void abandon() noexcept {
        if (released()) return;
        ::close(socket_.native_handle());
        ::new (std::nothrow) boost::asio::posix::stream_descriptor{std::move(socket_)};
        connection::abandon();
    }

private:
    using descriptor = boost::asio::posix::stream_descriptor;
    using error_code = boost::system::error_code;

    /// Ends the operations of a connection when its time is over.
    struct limit {
        explicit limit(descriptor& of) : timer{of.get_executor()} {}
        boost::asio::steady_timer timer;
        bool is_over = false;  ///< the operation has ended
        bool is_late = false;  ///< its time has passed
    };
    std::shared_ptr<limit> limit_of(std::chrono::nanoseconds time) {
        auto made = std::make_shared<limit>(socket_);
        made->timer.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(time));
        return made;
    }

    /// A command that was sent, until all its results have arrived.
    class execution {
    public:
        execution(async_connection& of, bool is_sent) noexcept : of_{&of}, is_sent_{is_sent} {}

        template <class Self>
        void operator()(Self& self, error_code failed = {}) {
            if (!has_begun_) {  // never complete within the call
                has_begun_ = true;
                const auto executor = self.get_executor();
                return boost::asio::post(executor, std::move(self));
            }
            try {
                if (failed) throw boost::system::system_error{failed, "pool: wait for a server"};
                if (!is_sent_) of_->fail();
                PGconn* const conn = of_->get();
                const int left = PQflush(conn);
                if (left < 0) of_->fail();
                if (left > 0) return of_->socket_.async_wait(descriptor::wait_write, std::move(self));
                if (PQconsumeInput(conn) == 0) of_->fail();
                while (PQisBusy(conn) == 0) {
                    result next{PQgetResult(conn)};
                    if (next == nullptr) return end(self);
                    has_end_ = !is_copy(next.get()) && PQpipelineStatus(conn) == PQ_PIPELINE_OFF;
                    got_ = of_->checked(std::move(next));
                }
                of_->socket_.async_wait(descriptor::wait_read, std::move(self));
            } catch (...) {
                if (error_ == nullptr) error_ = std::current_exception();
                if (failed || !is_sent_ || of_->closed() || !has_end_) return end(self);
                operator()(self);  // reads the rest
            }
        }

    private:
        template <class Self>
        void end(Self& self) {
            PQsetnonblocking(of_->get(), 0);
            auto error = std::move(error_);
            auto got = error == nullptr ? std::move(got_) : result{};
            self.complete(std::move(error), std::move(got));
        }

        async_connection* of_;
        bool is_sent_;
        bool has_begun_ = false;
        bool has_end_ = true;  // a COPY has none
        std::exception_ptr error_{};
        result got_{};
    };

    /// One command after the other, within a limit.
    template <class Next>
    class commands {
    public:
        commands(async_connection& of, std::shared_ptr<limit> within) noexcept : of_{&of}, limit_{std::move(within)} {}

        template <class Self>
        void operator()(Self& self) {
            limit_->timer.async_wait([of = of_, its = limit_](error_code cancelled) {
                if (cancelled || its->is_over) return;
                its->is_late = true;
                error_code ignored;
                of->socket_.cancel(ignored);
            });
            go_on(self);
        }
        template <class Self>
        void operator()(Self& self, std::exception_ptr error, result) {
            if (error != nullptr) return end(self, std::move(error));
            go_on(self);
        }
        template <class Self>
        void operator()(Self& self, std::exception_ptr error, bool) {  // after a post
            end(self, std::move(error));
        }

    private:
        template <class Self>
        void go_on(Self& self) {
            const bool is_first = next_.count == 0;
            std::exception_ptr error;
            try {
                if (const char* const command = next_(*of_)) return of_->async_execute(command, std::move(self));
            } catch (...) {
                error = std::current_exception();
            }
            if (!is_first) return end(self, std::move(error));
            const auto executor = self.get_executor();
            boost::asio::post(executor,
                [self = std::move(self), error = std::move(error)]() mutable { self(std::move(error), true); });
        }

        template <class Self>
        void end(Self& self, std::exception_ptr error) {
            limit_->is_over = true;
            limit_->timer.cancel();
            if (limit_->is_late) {
                of_->give_up_server();
                error = std::make_exception_ptr(
                    std::system_error{std::make_error_code(std::errc::timed_out), "pool: the server does not answer"});
            }
            self.complete(std::move(error));
        }

        async_connection* of_;
        std::shared_ptr<limit> limit_;
        Next next_{};
    };

    /// The commands of a cleaning.
    struct next_of_cleaning {
        int count = 0;
        const char* operator()(async_connection& of) {
            if (count++ == 0) of.begin_cleaning();
            if (count == 1 && of.needs_rollback()) return "ROLLBACK";
            if (!has_discarded && of.needs_discard()) return has_discarded = true, "DISCARD ALL";
            of.end_cleaning();
            return nullptr;
        }
        bool has_discarded = false;
    };
    using cleaning = commands<next_of_cleaning>;

    /// The command of a keep-alive.
    struct next_of_keeping {
        int count = 0;
        const char* operator()(async_connection& of) {
            if (count++ == 0) return of.check_idle(), "";
            of.forget_notifications();
            return nullptr;
        }
    };
    using keeping = commands<next_of_keeping>;

    descriptor socket_;
};

}  // namespace pool::libpq

/// By the members of the connection.
template <>
struct pool::connection_traits<pool::libpq::async_connection>
    : pool::member_connection_traits<pool::libpq::async_connection> {
    static bool healthy(pool::libpq::async_connection& c) noexcept { return c.healthy(); }  ///< does not wait
    /// On the executor of the connection.
    static void async_reset(pool::libpq::async_connection& c, pool::hook_done done) {
        boost::asio::post(c.get_executor(), [&c, done = std::move(done)]() mutable { c.async_clean(std::move(done)); });
    }
    /// The same.
    static void async_keep_alive(pool::libpq::async_connection& c, pool::hook_done done) {
        boost::asio::post(
            c.get_executor(), [&c, done = std::move(done)]() mutable { c.async_keep_alive(std::move(done)); });
    }
    static std::string why_dead(const pool::libpq::async_connection& c) { return c.why_dead(); }  ///< what libpq says
};
