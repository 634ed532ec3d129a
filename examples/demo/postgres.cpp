// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <memory>
#include <string>

#include <pool/adapters/libpq.hpp>
#include <pool/pool.hpp>

#include "compare.hpp"

/// @file
/// PostgreSQL with a pool and without one. `scripts/demo.sh postgres` runs it.

namespace {

using namespace std::chrono_literals;

bool ask(pool::libpq::connection& c, std::uint64_t number) {
    const std::string text = std::to_string(number);
    const auto row = c.execute("select $1::text", {text.c_str()});
    return text == PQgetvalue(row.get(), 0, 0);
}

demo::subject make(const demo::options& chosen) {
    using database = pool::bounded_pool<pool::no_key, pool::libpq::connection>;
    const pool::libpq::connection_key key{chosen.url};
    auto conns = std::make_shared<database>(
        pool::bounded_pool_options{
            .max_open = chosen.connections, .acquire_timeout = 5s, .expiration = 5min, .name = "demo"},
        pool::timed(demo::dial_patience, pool::libpq::dial_to{key}));
    // Without a pool nobody waits for the end of a connection.
    return demo::compare("PostgreSQL " + pool::key_traits<pool::libpq::connection_key>::describe(key),
        "select $1::text", conns, pool::libpq::dial_to{key, {.close_timeout = 0s}}, ask);
}

}  // namespace

int main(int argc, char** argv) { return demo::run(argc, argv, "demo_postgres", make); }
