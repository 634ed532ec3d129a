// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what libpq says

#include <algorithm>
#include <chrono>
#include <exception>
#include <future>
#include <initializer_list>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <unistd.h>

#include <pool/adapters/kernel/socket.hpp>
#include <pool/adapters/libpq/error.hpp>
#include <pool/connection.hpp>
#include <pool/dial.hpp>

/// @file
/// A connection of libpq, and how it is checked and cleaned.

namespace pool::libpq {

namespace kernel {

struct clear_result {
    void operator()(PGresult* r) const noexcept { PQclear(r); }
};

}  // namespace kernel

/// A result of libpq. All its functions take `get()`.
using result = std::unique_ptr<PGresult, kernel::clear_result>;

/// How far a connection is cleaned when it is given back.
enum class reset : unsigned char {
    discard_all,    ///< of all: `ROLLBACK` of an open transaction, then `DISCARD ALL`. One round trip, or two
    rollback_only,  ///< of an open transaction. Its users promise to leave nothing else behind. No round trip, or one
};

/// How connections are opened and cleaned.
struct options {
    libpq::reset reset = libpq::reset::discard_all;                    ///< what they are cleaned of
    std::chrono::nanoseconds reset_timeout = std::chrono::seconds{5};  ///< how long that, or a keep-alive, may take
    /// How long a close waits until the server has ended its part, so that the server never counts more connections than the
    /// pool. Zero does not wait.
    std::chrono::nanoseconds close_timeout = std::chrono::seconds{1};
    /// Is called with each notice of the server, as "table does not exist, skipping". Without it, libpq prints them to
    /// standard error. It is put back with each reset.
    PQnoticeProcessor on_notice = nullptr;
};

namespace kernel {

/// Refuses options with which no connection would be kept.
inline void check(const options& how) {
    if (how.reset_timeout <= how.reset_timeout.zero())
        throw std::invalid_argument{"pool: the reset_timeout of connections of libpq is not positive"};
}

}  // namespace kernel

/// Owns a `PGconn`, and converts to `PGconn*`, so that the functions of libpq take it. Move-only. Not thread-safe, as a
/// `PGconn`.
class connection {
public:
    connection() noexcept = default;  ///< none
    /// Owns a connection that was opened by other means. A null pointer is none.
    explicit connection(PGconn* opened, const libpq::options& how = {}) noexcept : conn_{opened}, options_{how} {
        if (conn_ != nullptr) {
            receiver_ = PQsetNoticeReceiver(conn_, nullptr, nullptr);
            processor_ = PQsetNoticeProcessor(conn_, options_.on_notice, nullptr);
            if (options_.on_notice != nullptr) processor_ = options_.on_notice;
        }
    }
    /// Leaves `other` without a connection.
    connection(connection&& other) noexcept
        : conn_{std::exchange(other.conn_, nullptr)},
          options_{other.options_},
          receiver_{other.receiver_},
          processor_{other.processor_},
          is_silent_{other.is_silent_} {}
    /// Finishes its own connection first.
    connection& operator=(connection&& other) noexcept {
        connection taken{std::move(other)};
        std::swap(conn_, taken.conn_);
        std::swap(options_, taken.options_);
        std::swap(receiver_, taken.receiver_);
        std::swap(processor_, taken.processor_);
        std::swap(is_silent_, taken.is_silent_);
        return *this;
    }
    ~connection() { PQfinish(conn_); }

    PGconn* get() const noexcept { return conn_; }                       ///< the connection of libpq
    explicit(false) operator PGconn*() const noexcept { return conn_; }  ///< so that the functions of libpq take it

    /// Executes a command, with parameters as text if there are any; a null pointer is NULL. Returns its result. Throws
    /// `error` if it fails, `std::bad_alloc`, and `std::invalid_argument` if it begins a COPY, which its result cannot hold.
    result execute(const char* command, std::initializer_list<const char*> parameters = {}) {
        PGresult* const got = parameters.size() == 0 ? PQexec(conn_, command)
                                                     : PQexecParams(conn_, command, static_cast<int>(parameters.size()),
                                                           nullptr, std::data(parameters), nullptr, nullptr, 0);
        return checked(result{got});
    }

    /// Stops the command that is running, by a request on a connection of its own, which blocks. Afterwards the command ends
    /// with the error "57014", or as it would have. Throws `error` if the request could not be sent. Another thread may call
    /// it while the owner waits for the command; it has to have returned before the connection is given back, moved or closed.
    void cancel() const {
        const std::unique_ptr<PGcancel, void (*)(PGcancel*)> request{PQgetCancel(conn_), PQfreeCancel};
        char text[256] = "";
        if (request == nullptr || PQcancel(request.get(), text, sizeof text) == 0)
            throw error{"pool: cannot cancel: " + kernel::text_of(text), {}};
    }

    // For the pool.

    /// Finishes the connection, and waits until the server has, but at most `close_timeout`. If a command is running, cancels
    /// it first: a server would not notice before it writes. Without a timeout, and after a cleaning or a keep-alive that the
    /// server has not answered in time, does neither.
    void close() noexcept {
        if (closed() || is_silent_ || options_.close_timeout <= options_.close_timeout.zero()) return finish();
        put_back_hooks();
        const dial_context limits = adapters::kernel::within(options_.close_timeout);
        const int socket = ::fcntl(PQsocket(conn_), F_DUPFD_CLOEXEC, 0);
        try {
            cancel_until(limits.deadline);
            finish();
            if (socket != -1) adapters::kernel::wait_for_end(socket, limits);
        } catch (const std::exception&) {  // it takes too long
        }
        finish();
        if (socket != -1) ::close(socket);
    }

    bool closed() const noexcept { return PQstatus(conn_) != CONNECTION_OK; }  ///< libpq knows that it is broken
    bool released() const noexcept { return conn_ == nullptr; }                ///< there is none
    bool unblocked() const noexcept { return true; }                           ///< always: one that is busy is not kept
    /// Whether a call that has thrown has left it such that it can be cleaned: no command is running, and no result is unread.
    bool reusable() const noexcept { return !closed() && PQtransactionStatus(conn_) != PQTRANS_ACTIVE; }

    /// Whether nothing has arrived while it was idle. After the server has ended it, something has. Less than a microsecond.
    bool healthy() const noexcept { return !closed() && !adapters::kernel::has_input(PQsocket(conn_)); }

    /// Cleans it, for its next user. Throws `error`, or a `std::system_error`, if it cannot be cleaned: a command is still
    /// running, or is a COPY, or the pipeline mode is on, or the server does not answer in time.
    void clean() {
        begin_cleaning();
        const dial_context limits = adapters::kernel::within(options_.reset_timeout);
        if (needs_rollback()) run("ROLLBACK", limits);
        if (needs_discard()) run("DISCARD ALL", limits);
        end_cleaning();
    }

    /// Sends an empty command, and waits for its answer. Throws as `clean`, also if something has arrived before.
    void keep_alive() {
        check_idle();
        run("", adapters::kernel::within(options_.reset_timeout));
        forget_notifications();
    }

    /// In the child of a fork: closes the socket without a word to the server, and forgets the rest.
    void abandon() noexcept {
        if (conn_ != nullptr) ::close(PQsocket(std::exchange(conn_, nullptr)));
    }

    /// The text of the last error.
    std::string why_dead() const { return conn_ == nullptr ? "no connection" : kernel::text_of(PQerrorMessage(conn_)); }

protected:
    /// Puts back what is not the server's. Throws as `clean`.
    void begin_cleaning() {
        put_back_hooks();  // first: what is read next may call them
        if (PQpipelineStatus(conn_) != PQ_PIPELINE_OFF) throw error{"pool: it is in pipeline mode", {}};
        drain();
        PQsetnonblocking(conn_, 0);
    }
    /// Throws if something has arrived on an idle connection.
    void check_idle() const {
        if (!healthy()) throw error{"pool: something has arrived while it was idle", {}, true};
    }
    /// Whether a transaction is open.
    bool needs_rollback() const noexcept { return PQtransactionStatus(conn_) != PQTRANS_IDLE; }
    /// Whether all is to be discarded.
    bool needs_discard() const noexcept { return options_.reset == reset::discard_all; }
    /// After the server has been told. Throws as `clean`.
    void end_cleaning() {
        forget_notifications();
        if (PQtransactionStatus(conn_) != PQTRANS_IDLE) throw error{"pool: a transaction is still open", {}};
    }

    /// The server has not answered in time: a close does not wait for it.
    void give_up_server() noexcept { is_silent_ = true; }
    /// They are for the user that has listened.
    void forget_notifications() noexcept {
        while (PGnotify* const each = PQnotifies(conn_)) PQfreemem(each);
    }

    /// How long a cleaning may take.
    std::chrono::nanoseconds reset_timeout() const noexcept { return options_.reset_timeout; }

    /// Throws the error of a result, or of the connection.
    [[noreturn]] void fail(const PGresult* of = nullptr) const {
        const char* const state = of != nullptr ? PQresultErrorField(of, PG_DIAG_SQLSTATE) : nullptr;
        const bool is_lost = PQstatus(conn_) != CONNECTION_OK;
        // The last words of the server are in another result, which PQexec has dropped.
        const char* const text = of != nullptr && !is_lost ? PQresultErrorMessage(of) : PQerrorMessage(conn_);
        throw error{kernel::text_of(text), state != nullptr ? state : "", is_lost};
    }

    /// Whether a COPY begins.
    static bool is_copy(const PGresult* of) noexcept {
        const auto status = PQresultStatus(of);
        return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
    }

    /// The result, unless it is an error or a COPY.
    result checked(result got) const {
        if (got == nullptr) fail();
        switch (PQresultStatus(got.get())) {
        case PGRES_COMMAND_OK:
        case PGRES_TUPLES_OK:
        case PGRES_SINGLE_TUPLE:
        case PGRES_EMPTY_QUERY:
            return got;
        case PGRES_COPY_IN:
        case PGRES_COPY_OUT:
        case PGRES_COPY_BOTH:
            throw std::invalid_argument{"pool: execute does not take COPY: call PQexec"};
        default:
            fail(got.get());
        }
    }

private:
    /// The functions that its user may have set, and which may refer to what has gone.
    void put_back_hooks() noexcept {
        PQsetNoticeReceiver(conn_, receiver_, nullptr);
        PQsetNoticeProcessor(conn_, processor_, nullptr);
        PQsetErrorVerbosity(conn_, PQERRORS_DEFAULT);
        PQsetErrorContextVisibility(conn_, PQSHOW_CONTEXT_ERRORS);
        PQuntrace(conn_);
    }

    void finish() noexcept { PQfinish(std::exchange(conn_, nullptr)); }

    /// Cancels what is running, until it ends. A request may come before the server has begun with the command, which then
    /// does not heed it.
    void cancel_until(std::chrono::steady_clock::time_point deadline) {
        for (std::chrono::milliseconds patience{1}; PQtransactionStatus(conn_) == PQTRANS_ACTIVE; patience *= 2) {
            cancel_within(deadline);
            const auto now = std::chrono::steady_clock::now();
            const adapters::kernel::limited_wait wait{{.deadline = std::min(deadline, now + patience)}};
            try {
                if (!read_to_end(wait)) return;
            } catch (const std::system_error&) {
                if (now >= deadline) throw;
            }
        }
    }

    /// Sends the request by a thread of its own, because that of libpq has no limit. It goes on if the time is over.
    void cancel_within(std::chrono::steady_clock::time_point deadline) const {
        const std::shared_ptr<PGcancel> request{PQgetCancel(conn_), PQfreeCancel};
        if (request == nullptr) throw std::bad_alloc{};
        std::promise<void> sent;
        const std::future<void> is_sent = sent.get_future();
        std::thread{[request, sent = std::move(sent)]() mutable {
            char text[256] = "";
            (void)PQcancel(request.get(), text, sizeof text);
            sent.set_value();
        }}.detach();
        if (is_sent.wait_until(deadline) != std::future_status::ready)
            throw std::system_error{std::make_error_code(std::errc::timed_out), "pool: cancel a command"};
    }

    /// The next result of the command that is running; a null pointer is its end. Waits for it.
    result next_result(const adapters::kernel::limited_wait& wait) {
        while (PQisBusy(conn_) != 0) {
            wait.for_events(PQsocket(conn_), POLLIN);
            if (PQconsumeInput(conn_) == 0) fail();
        }
        return result{PQgetResult(conn_)};
    }

    /// Reads all results, as long as it may wait. Returns false if that has no end: of a COPY, or of a pipeline.
    bool read_to_end(const adapters::kernel::limited_wait& wait) {
        while (const result got = next_result(wait))
            if (is_copy(got.get()) || PQpipelineStatus(conn_) != PQ_PIPELINE_OFF) return false;
        return PQtransactionStatus(conn_) != PQTRANS_ACTIVE;
    }

    /// Reads the results that are there, which a caller has not read. Does not wait, and takes no more from the system than once.
    void drain() {
        if (PQtransactionStatus(conn_) == PQTRANS_ACTIVE && PQconsumeInput(conn_) == 0) fail();
        while (PQtransactionStatus(conn_) == PQTRANS_ACTIVE) {
            if (PQisBusy(conn_) != 0) throw error{"pool: a command is still running", {}};
            const result left{PQgetResult(conn_)};
            if (left != nullptr && is_copy(left.get())) throw error{"pool: a COPY is not finished", {}};
        }
    }

    /// Executes a command within a limit.
    void run(const char* command, const dial_context& limits) {
        is_silent_ = true;
        const adapters::kernel::limited_wait wait{limits};
        PQsetnonblocking(conn_, 1);
        if (PQsendQuery(conn_, command) == 0) fail();
        for (int left = 1; left != 0;) {
            left = PQflush(conn_);
            if (left < 0) fail();
            if (left > 0) wait.for_events(PQsocket(conn_), POLLIN | POLLOUT);
            if (left > 0 && PQconsumeInput(conn_) == 0) fail();
        }
        while (result got = next_result(wait)) {
            is_silent_ = false;
            (void)checked(std::move(got));
        }
        PQsetnonblocking(conn_, 0);
    }

    PGconn* conn_ = nullptr;
    libpq::options options_{};
    PQnoticeReceiver receiver_ = nullptr;
    PQnoticeProcessor processor_ = nullptr;
    bool is_silent_ = false;  ///< the server has not answered a command of the pool's own
};

}  // namespace pool::libpq

/// By the members of the connection.
template <>
struct pool::connection_traits<pool::libpq::connection> : pool::member_connection_traits<pool::libpq::connection> {
    static bool healthy(pool::libpq::connection& c) noexcept { return c.healthy(); }        ///< nothing has arrived
    static void reset(pool::libpq::connection& c) { c.clean(); }                            ///< throws if it cannot
    static void keep_alive(pool::libpq::connection& c) { c.keep_alive(); }                  ///< throws if it fails
    static std::string why_dead(const pool::libpq::connection& c) { return c.why_dead(); }  ///< what libpq says
};
