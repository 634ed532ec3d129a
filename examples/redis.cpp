// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <csignal>
#include <iostream>
#include <string>

#include <pool/adapters/hiredis.hpp>
#include <pool/pool.hpp>

/// @file
/// A program that talks to a server of Redis, whose URL is its argument. docs/redis.md quotes it.

namespace {

using namespace std::chrono_literals;

// [pool]
namespace redis = pool::hiredis;
using cache = pool::bounded_pool<pool::no_key, redis::connection>;

cache open_cache(const std::string& url) {
    return cache{{.max_open = 16, .acquire_timeout = 1s, .expiration = 5min, .name = "cache"},
        pool::timed(3s, redis::dial_to{redis::connection_key::from_url(url)})};
}
// [/pool]

// [call]
long long count_visit(cache& conns, const std::string& page) {
    return conns.invoke([&](redis::connection& c) { return c.command({"INCR", "visits:" + page})->integer; });
}
// [/call]

// [hiredis]
void add_twice(cache& conns) {
    auto lent = conns.acquire();
    redisAppendCommand(*lent, "INCR %s", "visits:start");  // functions of hiredis take it
    redisAppendCommand(*lent, "INCR %s", "visits:start");
    for (int i = 0; i < 2; ++i) {
        void* reply = nullptr;
        if (redisGetReply(*lent, &reply) != REDIS_OK) throw std::runtime_error{lent->why_dead()};
        const redis::reply frees_it{static_cast<redisReply*>(reply)};
    }
}
// [/hiredis]

// [left]
void leave_a_transaction(cache& conns) {
    conns.invoke([](redis::connection& c) {
        c.command("MULTI");
        c.command("SET greeting hello");
        // nobody calls EXEC
    });
    conns.invoke([](redis::connection& c) { std::cout << c.command("PING")->str << '\n'; });  // PONG, and not QUEUED
}
// [/left]

// [retry]
std::string greeting(cache& conns) {
    return conns.get().invoke(pool::retry_stale{redis::not_executed}, [](redis::connection& c) {
        const auto reply = c.command("GET greeting");
        return reply->type == REDIS_REPLY_NIL ? std::string{"none"} : std::string{reply->str, reply->len};
    });
}
// [/retry]

// [keys]
using caches = pool::bounded_pool<redis::connection_key, redis::connection>;

caches open_caches() {
    return caches{
        {.max_open_per_key = 8, .acquire_timeout = 1s}, redis::dial{{.reset_timeout = 500ms, .command_timeout = 2s}}};
}

bool is_alive(caches& conns, redis::connection_key key) {
    key.database = 1;
    key.client_name = "billing";
    return conns.invoke(key, [](redis::connection& c) { return c.command("PING")->type == REDIS_REPLY_STATUS; });
}
// [/keys]

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) {
        std::cerr << "usage: redis redis://user:password@host:port/database\n";
        return 2;
    }
    // [signal]
    std::signal(SIGPIPE, SIG_IGN);  // hiredis writes to a connection that the server has closed
    // [/signal]
    try {
        cache conns = open_cache(arguments[1]);
        count_visit(conns, "start");
        add_twice(conns);
        leave_a_transaction(conns);
        std::cout << "greeting: " << greeting(conns) << ", visits: " << count_visit(conns, "start") << ", "
                  << conns.stats().dials << " connection\n";
        caches others = open_caches();
        if (!is_alive(others, redis::connection_key::from_url(arguments[1]))) return 1;
        const bool is_right = count_visit(conns, "other") == 1 && conns.stats().dials == 1;
        return is_right ? 0 : 1;
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
