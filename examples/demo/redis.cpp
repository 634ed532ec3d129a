// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <memory>
#include <string>

#include <pool/adapters/hiredis.hpp>
#include <pool/pool.hpp>

#include "compare.hpp"

/// @file
/// Redis with a pool and without one. `scripts/demo.sh redis` runs it.

namespace {

using namespace std::chrono_literals;

bool ask(pool::hiredis::connection& c, std::uint64_t number) {
    const std::string text = std::to_string(number);
    const auto reply = c.command({"ECHO", text});
    return reply->type == REDIS_REPLY_STRING && text == std::string{reply->str, reply->len};
}

demo::subject make(const demo::options& chosen) {
    using cache = pool::bounded_pool<pool::no_key, pool::hiredis::connection>;
    const auto key = pool::hiredis::connection_key::from_url(chosen.url);
    auto conns = std::make_shared<cache>(
        pool::bounded_pool_options{
            .max_open = chosen.connections, .acquire_timeout = 5s, .expiration = 5min, .name = "demo"},
        pool::timed(demo::dial_patience, pool::hiredis::dial_to{key}));
    // Without a pool nobody waits for the end of a connection.
    return demo::compare("Redis " + pool::key_traits<pool::hiredis::connection_key>::describe(key), "ECHO", conns,
        pool::hiredis::dial_to{key, {.close_timeout = 0ms}}, ask);
}

}  // namespace

int main(int argc, char** argv) { return demo::run(argc, argv, "demo_redis", make); }
