// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <iostream>
#include <string>

#include <libpq-fe.h>

#include <pool/adapters/handle.hpp>
#include <pool/pool.hpp>

/// @file
/// A pool of the connections of libpq. docs/connections.md quotes it.

namespace {

using namespace std::chrono_literals;

// [handle]
struct checks {
    static bool closed(PGconn* c) noexcept { return PQstatus(c) != CONNECTION_OK; }
    static const char* why_dead(PGconn* c) { return PQerrorMessage(c); }
};
using session = pool::handle<PGconn*, PQfinish, checks>;
// [/handle]

}  // namespace

int main() {
    // There is no server here, so the dial fails, and says why.
    // [use]
    pool::bounded_pool<std::string, session> sessions{{.max_open = 16, .acquire_timeout = 5s, .name = "db"},
        [](const std::string& target) { return PQconnectdb(target.c_str()); }};

    try {
        auto lent = sessions.acquire("host=/there/is/no/such/directory");
        PQclear(PQexec(*lent, "select 1"));  // a function of libpq takes the handle
    } catch (const pool::dial_failed& error) {
        std::cout << error.what() << '\n';
    }
    // [/use]
}
