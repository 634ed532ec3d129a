// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <pool/adapters/handle.hpp>
#include <pool/basic_pool.hpp>

#include <support/loopback_listener.hpp>

#include "forms.hpp"

/// @file
/// Connections of libpq.

namespace foreign_libpq {

/// A server that says to each client that it is welcome, and no more.
class server {
public:
    /// Begins to connect, answers, and goes on until the client has read the answer.
    PGconn* connect() const {
        const auto target = "host=127.0.0.1 user=test sslmode=disable gssencmode=disable port=" + std::to_string(listener_.port());
        PGconn* const client = PQconnectStart(target.c_str());
        const int peer = ::accept(listener_.fd(), nullptr, nullptr);
        REQUIRE(peer >= 0);
        const char authenticated[] = {'R', 0, 0, 0, 8, 0, 0, 0, 0};
        const char ready[] = {'Z', 0, 0, 0, 5, 'I'};
        REQUIRE(::send(peer, authenticated, sizeof authenticated, 0) == sizeof authenticated);
        REQUIRE(::send(peer, ready, sizeof ready, 0) == sizeof ready);
        auto state = PGRES_POLLING_WRITING;
        while (state != PGRES_POLLING_OK) {
            REQUIRE(state != PGRES_POLLING_FAILED);
            const short event = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
            pollfd wait{.fd = PQsocket(client), .events = event, .revents = 0};
            REQUIRE(::poll(&wait, 1, -1) == 1);
            state = PQconnectPoll(client);
        }
        ::close(peer);  // the client does not know yet
        return client;
    }

private:
    support::loopback_listener listener_;
};

struct library {
    static inline foreign::ledger<PGconn*> handles;

    static PGconn* open() { return handles.opened(server{}.connect()); }
    static PGconn* open_dead() { return handles.opened(PQconnectdb("host=/there/is/no/such/directory")); }
    static void kill(PGconn* conn) {
        PQconsumeInput(conn);  // notices that the server has gone
        REQUIRE(PQstatus(conn) == CONNECTION_BAD);
    }
};

void finish(PGconn* conn) noexcept {
    if (library::handles.ended(conn)) PQfinish(conn);
}

struct finisher {
    void operator()(PGconn* conn) const noexcept { finish(conn); }
};

struct checks {
    static bool closed(PGconn* conn) noexcept { return PQstatus(conn) != CONNECTION_OK; }
    static const char* why_dead(PGconn* conn) { return PQerrorMessage(conn); }
};

/// As a program may have it already.
class session {
public:
    explicit session(PGconn* conn) noexcept : conn_{conn} {}
    session(session&& other) noexcept : conn_{std::exchange(other.conn_, nullptr)} {}
    session& operator=(session&&) = delete;
    ~session() { close(); }

    PGconn* get() const noexcept { return conn_; }
    void close() noexcept {
        if (conn_ != nullptr) finish(std::exchange(conn_, nullptr));
    }
    bool closed() const noexcept { return PQstatus(conn_) != CONNECTION_OK; }
    bool unblocked() const noexcept { return true; }

private:
    PGconn* conn_;
};

struct raw {
    using connection = PGconn*;
    static PGconn* get(PGconn* c) { return c; }
    static void close(PGconn*& c) { finish(std::exchange(c, nullptr)); }
};
using pointer = foreign::in_unique_ptr<std::unique_ptr<PGconn, finisher>>;
using handle = foreign::in_class<pool::handle<PGconn*, finish, checks>>;
using own_class = foreign::in_class<session>;

}  // namespace foreign_libpq

template <>
struct pool::connection_traits<PGconn*> {
    static void close(PGconn* c) { foreign_libpq::finish(c); }
    static bool closed(PGconn* c) noexcept { return PQstatus(c) != CONNECTION_OK; }
    static bool unblocked(PGconn*) noexcept { return true; }
};

/// The deleter ends it.
template <>
struct pool::connection_traits<PGconn> {
    static bool closed(const PGconn& c) noexcept { return PQstatus(&c) != CONNECTION_OK; }
};

TEST_CASE_TEMPLATE("libpq: each PGconn is finished once, dead or not", Form, foreign_libpq::raw, foreign_libpq::pointer,
    foreign_libpq::handle, foreign_libpq::own_class) {
    foreign::check<foreign_libpq::library, Form>();
}

TEST_CASE("libpq: the error of a connection that could not be opened has what the library says") {
    pool::basic_pool<int, foreign_libpq::handle::connection> conns{{}, {}, {.name = "db"}};
    try {
        (void)conns.acquire(1, [](int) { return foreign_libpq::library::open_dead(); });
        FAIL("it is lent");
    } catch (const pool::dial_failed& error) {
        const std::string what = error.what();
        CAPTURE(what);
        CHECK(what.starts_with("pool \"db\": no connection for key 1: the dial has returned a dead one: "));
        CHECK(what.find("/there/is/no/such/directory") != what.npos);
        CHECK(what.back() != '\n');  // with which libpq ends its messages
    }
}
