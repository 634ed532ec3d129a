// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <csignal>
#include <exception>
#include <iostream>
#include <string>

#include <pool/adapters/hiredis.hpp>
#include <pool/pool.hpp>

using namespace std::chrono_literals;

// [pool]
using redis_pool = pool::bounded_pool<pool::no_key, pool::hiredis::connection>;

redis_pool make_pool(const std::string& url) {
    return redis_pool{{.max_open = 16,
                          .acquire_timeout = 250ms,  // a cache is of no use to those who wait for it
                          .expiration = 5min,
                          .name = "visits"},
        pool::timed(1s, pool::hiredis::dial_to{pool::hiredis::connection_key::from_url(url), {.command_timeout = 1s}})};
}
// [/pool]

// [call]
long long count_visit(redis_pool& conns, const std::string& page) {
    // It writes, so it is made again only if the server cannot have executed it.
    const pool::retry_stale retry{pool::hiredis::not_executed};
    return conns.get().invoke(retry, [&](pool::hiredis::connection& c) {
        return c.command({"INCR", "visits:" + page})->integer;
    });
}
// [/call]

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);  // hiredis writes to a connection that the server has closed
    redis_pool conns = make_pool(argc > 1 ? argv[1] : "redis://127.0.0.1:6379");
    for (std::string page; std::getline(std::cin, page);) {
        try {
            std::cout << count_visit(conns, page) << std::endl;
        } catch (const std::exception& e) {
            std::cout << "failed: " << e.what() << std::endl;
        }
    }
    const pool::stats seen = conns.stats();
    std::cout << seen.hits + seen.misses << " calls, " << seen.dials << " dials" << std::endl;
}
