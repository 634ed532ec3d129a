// SPDX-License-Identifier: BSL-1.0
// [postgres]
#include <chrono>
#include <iostream>
#include <string>

#include <pool/adapters/libpq.hpp>
#include <pool/pool.hpp>

using namespace std::chrono_literals;
using database = pool::bounded_pool<pool::no_key, pool::libpq::connection>;

int main(int argc, char** argv) {
    database db{{.max_open = 16, .acquire_timeout = 5s, .expiration = 5min, .name = "orders"},
        pool::libpq::dial_to{argc > 1 ? argv[1] : "dbname=orders"}};

    for (const char* number : {"1", "2", "3"}) {
        const std::string square = db.invoke([&](pool::libpq::connection& c) {  // lends a connection, or dials one
            const auto row = c.execute("select $1::int * $1::int", {number});
            return std::string{PQgetvalue(row.get(), 0, 0)};
        });  // cleans it, and gives it back
        std::cout << square << '\n';
    }
    std::cout << db.stats() << '\n';
}
// [/postgres]
