// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <csignal>
#include <memory>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>

#include <doctest/doctest.h>

#include <pool/pool.hpp>

#include <clients/redis_mischief.hpp>
#include <clients/redis_server.hpp>

/// @file
/// What a user leaves behind in a connection to Redis does not reach the next user.

namespace redis_test {

using namespace std::chrono_literals;
using pool_of_one = pool::bounded_pool<hiredis::connection_key, hiredis::connection>;

static pool_of_one make_pool(hiredis::dial dial = {}) {
    return pool_of_one{{.max_open = 1, .acquire_timeout = 1min}, dial};
}

/// All that a user can see of a connection, as text.
static std::string state_of(hiredis::connection& c) {
    try {
        timeval limit{};
        socklen_t size = sizeof limit;
        ::getsockopt(c.get()->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, &size);
        std::string all = limit.tv_sec == 77 ? "timeout of the user," : "timeout of the pool,";
        all += (::fcntl(c.get()->fd, F_GETFL) & O_NONBLOCK) != 0 ? " nonblocking" : " blocking";
        if (c.get()->reader->fn == other_functions()) return all + " other functions";
        if (text_of(c.command("ECHO mine")) != "mine") return "a wrong answer";
        const std::string info = text_of(c.command("CLIENT INFO"));
        for (const char* each : {"name", "flags", "db", "sub", "psub", "multi", "user", "redir", "resp"})
            all += std::string{" "} + each + '=' + field(info, each);
        return all;
    } catch (const hiredis::error& e) {
        return e.what();
    }
}

static std::string state_of_next_user(pool_of_one& conns, const hiredis::connection_key& key) {
    return conns.invoke(key, [](hiredis::connection& c) { return state_of(c); });
}

TEST_CASE("redis: a URL in the place of a host is refused") {
    CHECK_THROWS_WITH_AS((pool::hiredis::dial_to{{.host = "redis://127.0.0.1:6379"}}()),
        "pool: the host of a key is a URL: connection_key::from_url reads it", std::invalid_argument);
}

TEST_CASE("redis: what a user leaves behind reaches no next user") {
    const server redis;
    auto admin = hiredis::dial{}(redis.key());
    admin.command("ACL SETUSER other on >secret ~* &* +@all");
    admin.command({"ACL", "SETUSER", "app", "on", ">p@ss\r\nword", "~*", "&*", "+@all"});
    hiredis::connection_key plain = redis.key();
    hiredis::connection_key full = redis.key();
    full.as = {.user = "app", .password = "p@ss\r\nword"};
    full.database = 3;
    full.client_name = "billing";

    for (const auto& key : {plain, full}) {
        const hiredis::dial dial{{.command_timeout = 30s}};
        const hiredis::dial impatient_dial{{.command_timeout = 200ms}};
        auto fresh = dial(key);
        const std::string wanted = state_of(fresh);
        CAPTURE(wanted);
        REQUIRE(wanted.ends_with(key == plain
                                     ? " name= flags=N db=0 sub=0 psub=0 multi=-1 user=default redir=-1 resp=2"
                                     : " name=billing flags=N db=3 sub=0 psub=0 multi=-1 user=app redir=-1 resp=2"));
        for (const mischief& each : all_mischief) {
            const std::string what = each.what;
            CAPTURE(what);
            auto spoilt = impatient_dial(key);  // without a pool, the next user would notice
            each.leave(spoilt);
            if (!(key == plain && what == "RESET")) CHECK(state_of(spoilt) != wanted);

            auto conns = make_pool(dial);
            conns.invoke(key, [&](hiredis::connection& c) { each.leave(c); });
            CHECK(state_of_next_user(conns, key) == wanted);
            CHECK(conns.stats().dials == (each.is_undone ? 1 : 2));
        }
    }
}

TEST_CASE("redis: a WATCH does not reach the next user") {
    const server redis;
    auto admin = hiredis::dial{}(redis.key());
    const auto transaction = [](hiredis::connection& c) {
        c.command("MULTI");
        c.command("SET other 1");
        return c.command("EXEC")->type;
    };
    auto spoilt = hiredis::dial{}(redis.key());
    spoilt.command("WATCH watched");
    admin.command("INCR watched");
    CHECK(transaction(spoilt) == REDIS_REPLY_NIL);

    auto conns = make_pool();
    conns.invoke(redis.key(), [](hiredis::connection& c) { c.command("WATCH watched"); });
    admin.command("INCR watched");
    CHECK(conns.invoke(redis.key(), transaction) == REDIS_REPLY_ARRAY);
    CHECK(conns.stats().dials == 1);
}

TEST_CASE("redis: a message that arrives for an idle connection closes it") {
    const server redis;
    auto admin = hiredis::dial{}(redis.key());
    auto conns = make_pool({{.how = hiredis::reset::check_only}});  // leaves the subscription
    const int socket = conns.invoke(redis.key(), [](hiredis::connection& c) {
        c.command("SUBSCRIBE news");
        return c.get()->fd;
    });
    CHECK(admin.command("PUBLISH news hello")->integer == 1);
    char next = 0;
    CHECK(::recv(socket, &next, 1, MSG_PEEK) == 1);  // it has arrived
    const auto ping = [](hiredis::connection& c) { return text_of(c.command("PING")); };
    CHECK(conns.invoke(redis.key(), ping) == "PONG");
    CHECK(conns.stats().found_unhealthy == 1);
}

TEST_CASE("redis: after an exception a connection is kept if a reset can follow") {
    const server redis;
    const auto fail = [](hiredis::connection& c) {
        c.command("MULTI");
        c.command("GET");  // the server answers with an error
    };
    auto conns = make_pool();
    CHECK_THROWS_WITH_AS(
        conns.invoke(redis.key(), fail), "redis: ERR wrong number of arguments for 'get' command", hiredis::error);
    CHECK(state_of_next_user(conns, redis.key()).find("multi=-1") != std::string::npos);
    CHECK(conns.stats().dials == 1);

    auto unchecked = make_pool({{.how = hiredis::reset::check_only}});
    CHECK_THROWS_AS(unchecked.invoke(redis.key(), fail), hiredis::error);
    CHECK(state_of_next_user(unchecked, redis.key()).find("multi=-1") != std::string::npos);
    CHECK(unchecked.stats().dials == 2);
}

TEST_CASE("redis: check_only sees what needs no round trip") {
    const server redis;
    auto admin = hiredis::dial{}(redis.key());
    admin.command("ACL SETUSER other on >secret ~* &* +@all");
    for (const mischief& each : all_mischief) {
        const std::string what = each.what;
        const bool is_seen = what.starts_with("one reply") || what.starts_with("a part") || what == "a timeout" ||
                             what == "a reply is in the socket" || what == "a command that was not sent";
        if (!is_seen) continue;
        CAPTURE(what);
        auto conns = make_pool({{.how = hiredis::reset::check_only}});
        conns.invoke(redis.key(), [&](hiredis::connection& c) { each.leave(c); });
        CHECK(state_of_next_user(conns, redis.key()).find("multi=-1") != std::string::npos);
        CHECK(conns.stats().dials == 2);
    }
}

TEST_CASE("redis: an idle connection is kept alive by a PING, and closed if that fails") {
    const server redis;
    auto admin = hiredis::dial{}(redis.key());
    using clocked = pool::basic_pool<hiredis::connection_key, hiredis::connection, pool::bounded, pool::never,
        std::mutex, pool::manual_clock>;
    pool::manual_clock clock;
    clocked conns{{.max_idle = 2}, {}, {.keep_alive_every = 1s}, clock};
    { const auto lent = conns.acquire(redis.key(), hiredis::dial{}); }
    clock.advance(1s);
    conns.upkeep();
    CHECK(conns.stats().kept_alive == 1);
    admin.command("CLIENT KILL TYPE normal");
    clock.advance(1s);
    conns.upkeep();
    CHECK(conns.stats().failed_keep_alives == 1);
}

}  // namespace redis_test
