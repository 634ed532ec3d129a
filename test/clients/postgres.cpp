// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <pool/adapters/libpq.hpp>
#include <pool/bounded_pool.hpp>
#include <pool/pool.hpp>

#include <clients/postgres_load.hpp>
#include <clients/postgres_server.hpp>

// Connections of libpq in a pool, to a PostgreSQL of the test's own, which misbehaves, as its users do.

namespace postgres {

TEST_CASE("postgres: nothing of what a user leaves behind reaches the next one") {
    check_misdeeds(shared_database().key());
}

TEST_CASE("postgres: a call that throws keeps its connection if that can be cleaned") {
    database& db = shared_database();
    const connection_key key = db.key();
    for (const misdeed& each : misdeeds) {
        CAPTURE(each.name);
        connections conns{{.max_open = 1, .acquire_timeout = 10s}, quiet_dial()};
        bool is_idle = false;
        CHECK_THROWS_AS(conns.invoke(key,
                            [&](connection& c) {
                                each.commit(c);
                                is_idle = PQtransactionStatus(c) != PQTRANS_ACTIVE;
                                throw std::domain_error{"of the caller"};
                            }),
            std::domain_error);
        CHECK(conns.stats().idle == (each.is_kept && is_idle));
        conns.invoke(key, check_clean);
    }
}

TEST_CASE("postgres: what is read while a connection is cleaned or closed reaches nobody who has gone") {
    database& db = shared_database();
    for (const bool is_cleaned : {true, false}) {
        CAPTURE(is_cleaned);
        connection c = quiet_dial()(db.key());
        int notices = 0;
        PQsetNoticeProcessor(
            c, [](void* of, const char*) { ++*static_cast<int*>(of); }, &notices);
        send_and_wait(c, "do $$ begin raise notice 'to nobody'; end $$");
        notices = 0;
        if (is_cleaned) c.clean();
        c.close();
        CHECK(notices == 0);
    }
}

TEST_CASE("postgres: a server that is silent holds up a give-back and a close no longer than their timeouts") {
    database db;
    connections conns{{.max_open = 1}, pool::libpq::dial{{.reset_timeout = 100ms, .close_timeout = 100ms}}};
    auto lent = conns.acquire(db.key());
    const auto processes = db.processes();
    const auto stop_all = [&](int signal) {
        for (const int each : processes) ::kill(each, signal);
    };
    stop_all(SIGSTOP);
    lent.give_back();  // it returns, although the server goes on only then
    stop_all(SIGCONT);
    CHECK(conns.stats().failed_resets == 1);
    CHECK(conns.stats().idle == 0);
}

TEST_CASE("postgres: with rollback_only, an open transaction is rolled back, and settings stay") {
    database& db = shared_database();
    const connection_key key = db.key();
    connections conns{
        {.max_open = 1, .acquire_timeout = 10s}, pool::libpq::dial{{.reset = pool::libpq::reset::rollback_only}}};
    conns.invoke(key, [](connection& c) {
        c.execute("set statement_timeout = '1h'");
        c.execute("begin");
        c.execute("insert into kept values (1)");
    });
    conns.invoke(key, [](connection& c) {
        CHECK(text(c.execute("select count(*) from kept")) == "0");
        CHECK(text(c.execute("show statement_timeout")) == "1h");
    });
    CHECK(conns.stats().dials == 1);
}

TEST_CASE("postgres: idle connections that the server has ended are not lent") {
    database& db = shared_database();
    const connection_key key = db.key();
    connections conns{{.max_open = 4, .acquire_timeout = 10s}, pool::libpq::dial{}};
    CHECK(conns.prewarm(key, 4).opened == 4);
    const auto admin = db.admin();
    admin->execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pooled'");
    while (text(admin->execute(count_pooled)) != "0") std::this_thread::yield();
    conns.invoke(key, check_clean);
    CHECK(conns.stats().found_unhealthy + conns.stats().found_closed >= 1);
    CHECK(conns.stats().dials == 5);
}

TEST_CASE("postgres: a command that is cancelled half-way ends with an error, and its connection serves the next one") {
    database& db = shared_database();
    const connection_key key = db.key();
    connections conns{{.max_open = 1, .acquire_timeout = 10s}, pool::libpq::dial{}};
    auto lent = conns.acquire(key);
    REQUIRE(PQsendQuery(*lent, "select pg_sleep(100)") == 1);
    const auto admin = db.admin();  // a request that comes before the command has no effect
    while (text(admin->execute(
               "select count(*) from pg_stat_activity where application_name = 'pooled' and state = 'active'")) == "0")
        std::this_thread::yield();
    lent->cancel();
    const result seen{PQgetResult(*lent)};
    CHECK(std::string_view{PQresultErrorField(seen.get(), PG_DIAG_SQLSTATE)} == "57014");
    CHECK(PQgetResult(*lent) == nullptr);
    lent.give_back();
    conns.invoke(key, check_clean);
    CHECK(conns.stats().dials == 1);
}

TEST_CASE(
    "postgres: the server knows of no connection that the pool does not count, even of those with a running command") {
    database& db = shared_database();
    const connection_key key = db.key();
    const auto admin = db.admin();
    {
        connections conns{{.max_open = 2, .acquire_timeout = 10s}, pool::libpq::dial{}};
        for (int i = 0; i != 20; ++i) {
            conns.invoke(key, [](connection& c) { REQUIRE(PQsendQuery(c, "select pg_sleep(100)") == 1); });
            CHECK(text(admin->execute(count_pooled)) == "0");
        }
    }
    CHECK(text(admin->execute(count_pooled)) == "0");
}

TEST_CASE("postgres: a dial says what the server has said") {
    database& db = shared_database();
    pool::bounded_pool<connection_key, connection> conns{{.max_open = 1, .name = "db"}, pool::libpq::dial{}};
    CHECK_THROWS_WITH_AS((void)conns.acquire(db.url() + "?user=nobody"),
        doctest::Contains("role \"nobody\" does not exist"), pool::libpq::error);
    CHECK_THROWS_WITH_AS(
        (void)conns.acquire("host=127.0.0.1 port=1"), doctest::Contains("Connection refused"), pool::libpq::error);
    CHECK(conns.stats().failed_dials == 2);
    CHECK(conns.stats().lent == 0);
}

std::errc error_of(const pool::dial_context& limits, const connection_key& key) {
    try {
        (void)pool::libpq::dial{}(key, limits);
    } catch (const std::system_error& e) {
        CHECK(std::string_view{e.what()}.find("127.0.0.1") != std::string_view::npos);
        return static_cast<std::errc>(e.code().value());
    }
    return {};
}

TEST_CASE("postgres: an error has the last words of a server that ends the connection") {
    const auto c = shared_database().admin();
    CHECK_THROWS_WITH_AS(c->execute("select pg_terminate_backend(pg_backend_pid()), pg_sleep(10)"),
        doctest::Contains("terminating connection due to administrator command"), pool::libpq::error);
}

TEST_CASE("postgres: a dial ends at its deadline, at the timeout of its key, and when it is stopped") {
    const support::loopback_listener peer;
    CHECK(error_of({.deadline = std::chrono::steady_clock::now() + 20ms}, key_of(peer)) == std::errc::timed_out);
    CHECK(error_of({}, key_of(peer).conninfo() + " connect_timeout=1") == std::errc::timed_out);
    std::stop_source stop;
    std::jthread stops{[&] { stop.request_stop(); }};
    CHECK(error_of({.stop = stop.get_token()}, key_of(peer)) == std::errc::operation_canceled);
}

TEST_CASE(
    "postgres: a server with fewer connections than the pool refuses dials in its own words, and serves all others") {
    database db{"max_connections=8 superuser_reserved_connections=3"};
    const connection_key key = db.url() + "?application_name=pooled&user=other";
    const auto admin = db.admin();
    admin->execute("alter role other login");
    const char* const count_all = "select count(*) from pg_stat_activity where backend_type = 'client backend'";
    while (text(admin->execute(count_all)) != "1")
        std::this_thread::yield();  // those that have gone may still have a slot
    connections conns{{.max_open = 16, .acquire_timeout = 10s}, pool::libpq::dial{}};
    std::vector<connections::lease_type> lent;
    std::string refused;
    try {
        for (int i = 0; i != 16; ++i) lent.push_back(conns.acquire(key));
    } catch (const pool::libpq::error& e) {
        refused = e.what();
    }
    CAPTURE(refused);
    CHECK(refused.find("remaining connection slots are reserved") != refused.npos);
    CHECK(lent.size() == 4);  // eight, less three for superusers, and the one of `admin`
    CHECK(conns.stats().lent == lent.size());
    lent.clear();
    CHECK(text(conns.acquire(key)->execute("select 1")) == "1");
}

TEST_CASE("postgres: keys are equal if libpq reads the same from them, and never show a password") {
    const connection_key one{"host=db dbname=orders user=app password=secret"};
    const connection_key same{"postgresql://app:secret@db/orders"};
    CHECK(one == same);
    CHECK(pool::key_traits<connection_key>::hash(one) == pool::key_traits<connection_key>::hash(same));
    CHECK(one.description() == "dbname='orders' host='db' password='***' user='app'");
    for (const char* other : {"host=db dbname=orders user=app password=other", "host=db dbname=orders user=app",
             "host=db dbname=orders user=app password=secret sslmode=require",
             "host=db dbname=orders user=app password=secret options='-c search_path=x'"})
        CHECK(one != connection_key{other});
    const connection_key quoted{R"(user='it\'s' password='a\\b')"};
    CHECK(connection_key{quoted.conninfo()} == quoted);
    CHECK(connection_key{"host='' port=1"} != connection_key{"port=1"});  // an empty value overrides the environment
    for (const char* wrong : {"hst=db", "password=my s3cret", "postgresql://app:s3cr%zzet@db/orders",
             "postgresql://app:s3cret@[::1/orders"}) {
        try {
            (void)connection_key{wrong};
            FAIL("it is taken");
        } catch (const std::invalid_argument& e) {
            const std::string what = e.what();
            CAPTURE(what);
            CHECK(what.starts_with("pool: not a connection string of libpq: "));
            CHECK(what.find("s3cr") == what.npos);
        }
    }
}

TEST_CASE("postgres: a connection is kept alive, and is open as long as its server is") {
    database& db = shared_database();
    connection c = pool::libpq::dial{}(db.key());
    CHECK(c.healthy());
    c.keep_alive();
    CHECK(c.healthy());
    db.admin()->execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pooled'");
    while (c.healthy()) std::this_thread::yield();
    CHECK_FALSE(c.closed());  // libpq has not looked
    CHECK_THROWS_AS(c.keep_alive(), pool::libpq::error);
    CHECK_THROWS_AS(c.clean(), pool::libpq::error);
}

}  // namespace postgres
