// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <exception>
#include <iostream>
#include <string>

#include <pool/adapters/libpq.hpp>
#include <pool/pool.hpp>

using namespace std::chrono_literals;

// [pool]
using database = pool::bounded_pool<pool::no_key, pool::libpq::connection>;

database make_database(const std::string& url) {
    return database{{.max_open = 16,            // of all that the server allows, 100 unless it says otherwise
                        .acquire_timeout = 1s,  // half of the time that a request of yours may take
                        .expiration = 5min,     // what only a burst has needed is closed
                        .lifetime = 30min,      // the server may have moved
                        .name = "orders"},
        pool::timed(3s, pool::libpq::dial_to{pool::libpq::connection_key{url}})};
}
// [/pool]

// [call]
std::string square(database& db, const std::string& number) {
    const pool::retry_stale retry{pool::libpq::lost_connection};  // it only reads, so it may be executed twice
    return db.get().invoke(retry, [&](pool::libpq::connection& c) {
        const auto row = c.execute("select $1::int * $1::int", {number.c_str()});
        return std::string{PQgetvalue(row.get(), 0, 0)};
    });
}
// [/call]

// [main]
int main(int argc, char** argv) {
    database db = make_database(argc > 1 ? argv[1] : "dbname=postgres");
    for (std::string number; std::getline(std::cin, number);) {
        try {
            std::cout << square(db, number) << std::endl;
        } catch (const std::exception& e) {
            std::cout << "failed: " << e.what() << std::endl;
        }
    }
    const pool::stats seen = db.stats();
    std::cout << seen.hits + seen.misses << " calls, " << seen.dials << " dials" << std::endl;
}
// [/main]
