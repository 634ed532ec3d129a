// SPDX-License-Identifier: BSL-1.0
#include <optional>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <pool/adapters/hiredis/connection_key.hpp>

/// @file
/// The keys of connections to Redis, which need neither hiredis nor a server.

namespace hiredis_key {

using pool::hiredis::connection_key;
using traits = pool::key_traits<connection_key>;

static std::string problem_of(const std::string& url) {
    try {
        connection_key::from_url(url);
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return "none";
}

TEST_CASE("hiredis: a key is read from a URL") {
    CHECK(connection_key::from_url("redis://") == connection_key{});
    CHECK(connection_key::from_url("redis://db") == connection_key{.host = "db"});
    CHECK(connection_key::from_url("redis://db:7/") == connection_key{.host = "db", .port = 7});
    CHECK(connection_key::from_url("redis://:7/2") == connection_key{.port = 7, .database = 2});
    CHECK(connection_key::from_url("redis://[::1]:7") == connection_key{.host = "::1", .port = 7});
    CHECK(connection_key::from_url("redis://[::1]") == connection_key{.host = "::1"});
    CHECK(connection_key::from_url("redis://:a%40b%3A@db") == connection_key{.host = "db", .as = {.password = "a@b:"}});
    CHECK(connection_key::from_url("redis://me:a@b:c@db/1") ==
          connection_key{.host = "db", .as = {.user = "me", .password = "a@b:c"}, .database = 1});
    CHECK(connection_key::from_url("redis://db?db=3&client_name=a%20b") ==
          connection_key{.host = "db", .database = 3, .client_name = "a b"});
    CHECK(connection_key::from_url("unix:///run/redis.sock?db=3") ==
          connection_key{.host = "/run/redis.sock", .database = 3});
    CHECK(connection_key::from_url("unix://me:pw@/run/r") ==
          connection_key{.host = "/run/r", .as = {.user = "me", .password = "pw"}});
}

TEST_CASE("hiredis: what is wrong with a URL is said without the password") {
    const auto is_refused = [](const std::string& url, const std::string& why) {
        const std::string what = problem_of(url);
        CAPTURE(url);
        CHECK(what == "pool: a URL of Redis: " + why);
        CHECK(what.find("secret") == what.npos);
    };
    is_refused("", "it begins with neither redis:// nor unix://");
    is_refused("http://me:secret@db", "it begins with neither redis:// nor unix://");
    is_refused("rediss://me:secret@db", "rediss:// is TLS, which hiredis 0.14 does not have");
    is_refused("redis://secret@db", "no colon before the @: write user:password@, or :password@ without a user");
    is_refused("redis://me:@db", "the password is empty");
    is_refused("redis://me:secret%4@db", "a % without two hexadecimal digits");
    is_refused("redis://me:secret%4x@db", "a % without two hexadecimal digits");
    is_refused("redis://me:sec/secret@db", "the port is not a number from 0 to 65535");
    is_refused("redis://db:70000", "the port is not a number from 0 to 65535");
    is_refused("redis://db:", "the port is not a number from 0 to 65535");
    is_refused("redis://db/-1", "the database is not a number from 0 to 65535");
    is_refused("redis://db/1/2", "the database is not a number from 0 to 65535");
    is_refused("redis://[::1", "a [ without its ]");
    is_refused("redis://[]", "the host is empty");
    is_refused("redis://[::1]7", "something other than a port follows the host");
    is_refused("redis://db?secret", "the parameters are db=<number> and client_name=<text>");
    is_refused("unix://run/redis.sock", "the path of a Unix socket does not begin with a slash");
}

TEST_CASE("hiredis: each field of a key tells keys apart") {
    const connection_key all[] = {{}, {.host = "db"}, {.port = 1}, {.as = {.user = "me"}}, {.as = {.password = "pw"}},
        {.database = 1}, {.client_name = "me"}};
    for (const auto& a : all) {
        for (const auto& b : all) {
            CHECK(traits::equal(a, b) == (&a == &b));
            CHECK((traits::hash(a) == traits::hash(b)) == (&a == &b));
        }
    }
}

TEST_CASE("hiredis: a key is shown as a URL without its password") {
    CHECK(traits::describe({}) == "redis://127.0.0.1:6379/0");
    CHECK(traits::describe(connection_key::from_url("redis://me:secret@[::1]:7/2?client_name=x")) ==
          "redis://me@[::1]:7/2?client_name=x");
    CHECK(traits::describe(connection_key::from_url("redis://:secret@db")) == "redis://default@db:6379/0");
    CHECK(traits::describe(connection_key::from_url("unix:///run/r?client_name=x")) ==
          "unix:///run/r?db=0&client_name=x");
}

}  // namespace hiredis_key
