// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <poll.h>

#include <doctest/doctest.h>

#include <pool/adapters/libpq.hpp>

#include <clients/server.hpp>
#include <support/loopback_listener.hpp>

/// @file
/// A PostgreSQL of a test, and what its users may leave behind.

namespace postgres {

using pool::libpq::connection;
using pool::libpq::connection_key;
using pool::libpq::result;

inline std::string text(const result& of, int row = 0, int column = 0) { return PQgetvalue(of.get(), row, column); }

/// A PostgreSQL, and what the tests keep in it.
class database : public clients::server {
public:
    explicit database(const std::string& options = "") : server{"postgres", options} {
        const auto c = admin();
        for (const char* command : {"create role other", "create table kept (id int)", "create sequence numbers"})
            c->execute(command);
    }

    /// A connection that is not of a pool.
    std::unique_ptr<connection> admin() const {
        return std::make_unique<connection>(pool::libpq::dial{}(connection_key{url() + "?application_name=admin"}));
    }

    /// The processes of the server that a client has to do with: the one that listens, and those of its connections.
    std::vector<int> processes() const {
        std::vector<int> all;
        const auto c = admin();
        const result pids = c->execute(
            "select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()");
        for (int row = 0; row != PQntuples(pids.get()); ++row) all.push_back(std::stoi(text(pids, row)));
        std::ifstream file{directory() + "/data/postmaster.pid"};
        int postmaster = 0;
        file >> postmaster;
        all.push_back(postmaster);
        return all;
    }

    /// The key of the pools.
    connection_key key() const { return key_at(url()); }

    /// The same by another way.
    static connection_key key_at(const std::string& url) { return url + "?application_name=pooled"; }
};

inline database& shared_database() {
    static database one;
    return one;
}

inline const char* const count_pooled = "select count(*) from pg_stat_activity where application_name = 'pooled'";

/// Opens connections whose notices are not printed.
inline pool::libpq::dial quiet_dial() {
    return pool::libpq::dial{{.on_notice = [](void*, const char*) {}}};
}

/// Fails the test if anything of another user is left in the session.
inline void check_clean(connection& c) {
    CHECK(PQtransactionStatus(c) == PQTRANS_IDLE);
    CHECK(PQisnonblocking(c) == 0);
    const auto value = [&](const char* query) { return text(c.execute(query)); };
    CHECK(value("select current_user || ' ' || session_user") == "test test");
    CHECK(value("show search_path") == "\"$user\", public");
    CHECK(value("show statement_timeout") == "0");
    CHECK(value("show client_encoding") == "UTF8");
    CHECK(value("select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()") == "0");
    CHECK(value("select count(*) from pg_prepared_statements") == "0");
    CHECK(value("select count(*) from pg_cursors") == "0");
    CHECK(value("select count(*) from pg_listening_channels()") == "0");
    CHECK(value("select to_regclass('pg_temp.left_behind') is null") == "t");
    CHECK(value("select count(*) from kept") == "0");
    CHECK(PQnotifies(c) == nullptr);
    CHECK_THROWS_AS(c.execute("select currval('numbers')"), pool::libpq::error);
}

/// Sends a command, and waits until its results are there.
inline void send_and_wait(connection& c, const char* command) {
    REQUIRE(PQsendQuery(c, command) == 1);
    while (PQisBusy(c) != 0) {
        pollfd ready{.fd = PQsocket(c), .events = POLLIN, .revents = 0};
        ::poll(&ready, 1, -1);
        if (PQconsumeInput(c) == 0) return;  // the connection is lost
    }
}

/// What a user leaves behind, and whether the connection is kept all the same.
struct misdeed {
    const char* name;
    bool is_kept;
    void (*commit)(connection&);
};

inline const misdeed misdeeds[] = {
    {"an open transaction", true,
        [](connection& c) {
            c.execute("begin");
            c.execute("insert into kept values (1)");
        }},
    {"a failed transaction", true,
        [](connection& c) {
            c.execute("begin");
            CHECK_THROWS_AS(c.execute("select 1 / 0"), pool::libpq::error);
        }},
    {"a role", true, [](connection& c) { c.execute("set role other"); }},
    {"a session authorization", true, [](connection& c) { c.execute("set session authorization other"); }},
    {"settings", true,
        [](connection& c) {
            c.execute("set search_path = pg_catalog");
            c.execute("set statement_timeout = '1h'");
            c.execute("set client_encoding = 'LATIN1'");
        }},
    {"a temporary table", true, [](connection& c) { c.execute("create temporary table left_behind (id int)"); }},
    {"an advisory lock", true, [](connection& c) { c.execute("select pg_advisory_lock_shared(1)"); }},
    {"a prepared statement", true, [](connection& c) { c.execute("prepare nothing as select 1"); }},
    {"a cursor", true, [](connection& c) { c.execute("declare rows cursor with hold for select 1"); }},
    {"a channel, and a notification", true,
        [](connection& c) {
            c.execute("listen news");
            c.execute("notify news, 'for another one'");
        }},
    {"a number of a sequence", true, [](connection& c) { c.execute("select nextval('numbers')"); }},
    {"the mode that does not block", true, [](connection& c) { PQsetnonblocking(c, 1); }},
    {"results that are there, and unread", true, [](connection& c) { send_and_wait(c, "select 'of another user'"); }},
    {"a notice processor", true,
        [](connection& c) {
            std::string gone = "gone";
            PQsetNoticeProcessor(
                c, [](void* of, const char* notice) { static_cast<std::string*>(of)->append(notice); }, &gone);
        }},
    {"a command that is running", false, [](connection& c) { REQUIRE(PQsendQuery(c, "select pg_sleep(100)") == 1); }},
    {"a result of which not all rows are read", true,
        [](connection& c) {
            REQUIRE(PQsendQuery(c, "select generate_series(1, 10)") == 1);
            REQUIRE(PQsetSingleRowMode(c) == 1);
            PQclear(PQgetResult(c));
            while (PQisBusy(c) != 0 && PQconsumeInput(c) == 1) continue;
        }},
    {"a COPY to the server", false, [](connection& c) { PQclear(PQexec(c, "copy kept from stdin")); }},
    {"a COPY from the server", false,
        [](connection& c) { PQclear(PQexec(c, "copy (select generate_series(1, 100000)) to stdout")); }},
    {"the pipeline mode", false, [](connection& c) { REQUIRE(PQenterPipelineMode(c) == 1); }},
    {"a session that the server has ended", false,
        [](connection& c) {
            CHECK_THROWS_AS(c.execute("select pg_terminate_backend(pg_backend_pid())"), pool::libpq::error);
        }},
};

/// The key of a server that accepts nothing, and answers nothing.
inline connection_key key_of(const support::loopback_listener& silent) {
    return "host=127.0.0.1 user=test port=" + std::to_string(silent.port());
}

}  // namespace postgres
