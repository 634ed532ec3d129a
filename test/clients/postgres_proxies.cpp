// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include <clients/postgres_load.hpp>
#include <clients/server.hpp>

// The same users as of a PostgreSQL itself, and the same answers, by HAProxy and by PgBouncer.

namespace postgres {

/// A server notices the end of its client during a command only if it looks.
static const char* const looks_at_clients = "client_connection_check_interval=50ms";

/// Behind HAProxy, the server counts.
static way through_haproxy(database& db, clients::server& proxy) {
    way to = straight_to(db);
    to.name = "postgres by HAProxy";
    to.key = database::key_at(proxy.url());
    to.stop = [&] {
        proxy.stop();
        db.stop();
    };
    to.start = [&] {
        db.start();
        proxy.start();
    };
    return to;
}

/// How many clients PgBouncer has, but for those of its console, and for requests to cancel a command.
static std::size_t count_clients(connection& console) {
    const result all = console.execute("show clients");
    std::size_t count = 0;
    for (int row = 0; row != PQntuples(all.get()); ++row) {
        const std::string state = text(all, row, PQfnumber(all.get(), "state"));
        count += text(all, row, PQfnumber(all.get(), "database")) == "postgres" && !state.ends_with("cancel_req");
    }
    return count;
}

/// PgBouncer keeps sessions of the server for its next client, so it is PgBouncer that counts.
static way through_pgbouncer(database& db, clients::server& bouncer) {
    way to = straight_to(db);
    to.name = "postgres by PgBouncer";
    to.key = database::key_at(bouncer.url());
    const auto dial_console = [&] {
        std::string url = bouncer.url();
        return pool::libpq::dial{}(connection_key{url.replace(url.rfind('/'), url.npos, "/pgbouncer")});
    };
    const auto console = std::make_shared<connection>(dial_console());
    to.count_open = [console] { return count_clients(*console); };
    to.stop = [&] { bouncer.stop(); };
    to.start = [&bouncer, console, dial_console] {
        bouncer.start();
        *console = dial_console();
    };
    return to;
}

TEST_CASE("postgres_proxies: by HAProxy, nothing of what a user leaves behind reaches the next one") {
    database db;
    const clients::server proxy{"haproxy", db.url()};
    check_misdeeds(database::key_at(proxy.url()));
}

TEST_CASE("postgres_proxies: by HAProxy, no answer reaches another user, and the bound is what the server counts") {
    database db{looks_at_clients};
    clients::server proxy{"haproxy", db.url()};
    check_load(db, through_haproxy(db, proxy), load(false));
}

TEST_CASE("postgres_proxies: a restart of HAProxy and of its server under load") {
    database db{looks_at_clients};
    clients::server proxy{"haproxy", db.url()};
    check_restarts(through_haproxy(db, proxy), load(false) / 2);
}

TEST_CASE("postgres_proxies: by PgBouncer, nothing of what a user leaves behind reaches the next one") {
    database db;
    const clients::server bouncer{"pgbouncer", db.url()};
    check_misdeeds(database::key_at(bouncer.url()));
}

TEST_CASE("postgres_proxies: by PgBouncer, no answer reaches another user, and the bound is what PgBouncer counts") {
    database db{looks_at_clients};
    SUBCASE("which keeps sessions of the server") {
        clients::server bouncer{"pgbouncer", db.url()};
        way to = through_pgbouncer(db, bouncer);
        to.end_one = [] {
            return std::size_t{0};
        };  // it may have none of a client: whoever gets it next, gets an error
        check_load(db, to, load(false));
    }
    SUBCASE("which has a session for each client, and the server ends some") {
        clients::server bouncer{"pgbouncer", db.url() + " server_lifetime=0"};
        check_load(db, through_pgbouncer(db, bouncer), load(false));
    }
}

TEST_CASE("postgres_proxies: behind PgBouncer, a session loses the name of its application when it is cleaned") {
    database db;
    const clients::server bouncer{"pgbouncer", db.url()};
    const connection_key key = database::key_at(bouncer.url());
    connections conns{{.max_open = 1, .acquire_timeout = 10s}, quiet_dial()};
    const auto name = [](connection& c) { return text(c.execute("show application_name")); };
    CHECK(conns.invoke(key, name) == "pooled");
    CHECK(conns.invoke(key, name) == "");
    CHECK(conns.stats().dials == 1);
}

TEST_CASE("postgres_proxies: a restart of PgBouncer under load") {
    database db{looks_at_clients};
    clients::server bouncer{"pgbouncer", db.url()};
    check_restarts(through_pgbouncer(db, bouncer), load(false) / 2);
}

TEST_CASE("postgres_proxies: in PgBouncer's transaction mode, what a session keeps reaches other clients") {
    database db;
    const clients::server bouncer{"pgbouncer", db.url() + " pool_mode=transaction default_pool_size=1"};
    const connection_key key = database::key_at(bouncer.url());
    connections conns{
        {.max_open = 2, .acquire_timeout = 10s}, pool::libpq::dial{{.reset = pool::libpq::reset::rollback_only}}};
    auto first = conns.acquire(key);
    auto second = conns.acquire(key);
    first->execute("set statement_timeout = '1h'");
    CHECK(text(second->execute("show statement_timeout")) == "1h");
    // A transaction is the client's own, and is rolled back.
    first->execute("begin");
    first->execute("insert into kept values (1)");
    first.give_back();
    CHECK(text(second->execute("select count(*) from kept")) == "0");
}

}  // namespace postgres
