// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

#include <pool/adapters/libpq.hpp>
#include <pool/pool.hpp>

/// @file
/// The code of docs/postgres.md. Each region is quoted there. It needs a server, whose URL is its argument.

using namespace std::chrono_literals;

namespace {

// [keyed]
using databases = pool::bounded_pool<pool::libpq::connection_key, pool::libpq::connection>;

databases make_databases() {
    return databases{
        {.max_open = 64, .max_open_per_key = 16, .acquire_timeout = 5s, .expiration = 5min, .name = "tenants"},
        pool::libpq::dial{}};
}
// [/keyed]

std::string count_orders(databases& conns, const pool::libpq::connection_key& tenant) {
    // [retry]
    const pool::retry_stale retry{pool::libpq::lost_connection};  // the command may be executed twice: it only reads
    auto orders = conns.get(tenant);
    return orders.invoke(retry, [](pool::libpq::connection& c) {
        const auto row = c.execute("select count(*) from pg_class");
        return std::string{PQgetvalue(row.get(), 0, 0)};
    });
    // [/retry]
}

void cheaper_reset(const pool::libpq::connection_key& tenant) {
    // [rollback_only]
    const pool::libpq::dial dial{{.reset = pool::libpq::reset::rollback_only}};
    // [/rollback_only]
    databases conns{{.max_open = 1}, dial};
    conns.invoke(tenant, [](pool::libpq::connection& c) { c.execute("begin"); });
    conns.invoke(tenant, [](pool::libpq::connection& c) { c.execute("select 1"); });
}

void error_of_the_server(databases& conns, const pool::libpq::connection_key& tenant) {
    // [error]
    try {
        conns.invoke(tenant, [](pool::libpq::connection& c) { c.execute("selec 1"); });
    } catch (const pool::libpq::error& e) {
        std::cout << e.sqlstate() << ": " << e.what() << '\n';
    }
    // [/error]
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const pool::libpq::connection_key tenant{argv[1]};
    databases conns = make_databases();
    const bool has_counted = std::atoi(count_orders(conns, tenant).c_str()) > 0;
    cheaper_reset(tenant);
    error_of_the_server(conns, tenant);
    return has_counted && conns.stats().idle == 1 ? 0 : 1;
}
