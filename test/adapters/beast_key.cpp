// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <doctest/doctest.h>

#include <pool/adapters/beast/connection_key.hpp>
#include <pool/adapters/beast/error.hpp>

/// @file
/// The keys of HTTP connections, and what their errors say: without Beast, and without a server.

namespace beast_key {

using pool::beast::connection_key;
using pool::beast::error;
using pool::beast::step;
using traits = pool::key_traits<connection_key>;

static std::string problem_of(const std::string& url) {
    try {
        connection_key::from_url(url);
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return "none";
}

TEST_CASE("http: a key is read from a URL") {
    CHECK(connection_key::from_url("http://db") == connection_key{.host = "db", .port = 80});
    CHECK(connection_key::from_url("https://db/") == connection_key{.scheme = "https", .host = "db", .port = 443});
    CHECK(connection_key::from_url("HTTPS://Db.Example:8443/") ==
          connection_key{.scheme = "https", .host = "db.example", .port = 8443});
    CHECK(connection_key::from_url("http://[::1]:8080") == connection_key{.host = "::1", .port = 8080});
    CHECK(connection_key::from_url("http://[::1]") == connection_key{.host = "::1", .port = 80});
    CHECK(connection_key::from_url("http://127.0.0.1:65535") == connection_key{.port = 65535});
}

TEST_CASE("http: what is wrong with a URL is said without the text") {
    const auto is_refused = [](const std::string& url, const std::string& why) {
        const std::string what = problem_of(url);
        CAPTURE(url);
        CHECK(what == "pool: a URL of HTTP: " + why);
        CHECK(what.find("secret") == what.npos);
    };
    const std::string bad_character = "the host has a character that is not of a name or an address";
    is_refused("", "it has no scheme: it begins with http:// or https://");
    is_refused("db:80", "it has no scheme: it begins with http:// or https://");
    is_refused("ftp://db", "the scheme is neither http nor https");
    is_refused("http://", "the host is empty");
    is_refused("http://:80", "the host is empty");
    is_refused("http:///path", "something follows the server: the target is that of a request");
    is_refused("http://db/path", "something follows the server: the target is that of a request");
    is_refused("http://db?x", "something follows the server: the target is that of a request");
    is_refused("http://db#x", "something follows the server: the target is that of a request");
    is_refused("http://me:secret@db", "a user before the @: a request has it, in its header Authorization");
    is_refused("http://@db", "a user before the @: a request has it, in its header Authorization");
    is_refused("http://a b", bad_character);
    is_refused("http://a\r\nX: y", bad_character);
    is_refused("http://a\r\nX", bad_character);
    is_refused("http://%41", bad_character);
    is_refused("http://\xc3\xa4", bad_character);
    is_refused("http://[db]", bad_character);
    is_refused("http://::1", "the host is empty");
    is_refused("http://[::1", "a [ without its ]");
    is_refused("http://[::1]80", "something other than a port follows the host");
    for (const char* port : {"", "0", "65536", "80a", "-1", "+1", " 80", "99999999999"})
        is_refused("http://db:" + std::string{port}, "the port is not a number from 1 to 65535");
}

TEST_CASE("http: what a key says of its server") {
    connection_key key{.scheme = "https", .host = "db"};
    CHECK(key.port_number() == 443);
    CHECK(key.authority() == "db");
    CHECK(key.url() == "https://db:443");
    key.scheme = "http";
    CHECK(key.port_number() == 80);
    key.port = 443;
    CHECK(key.authority() == "db:443");
    key.host = "::1";
    CHECK(key.authority() == "[::1]:443");
    CHECK(key.url() == "http://[::1]:443");
    CHECK(key.verified_name() == "::1");
    key.server_name = "db.example.";
    CHECK(key.verified_name() == "db.example");
}

/// A key for each field that differs from the usual one in this field.
static std::vector<connection_key> one_for_each_field() {
    std::vector<connection_key> all(11);
    all[1].scheme = "https";
    all[2].host = "db";
    all[3].port = 81;
    all[4].server_name = "db";
    all[5].alpn = "";
    all[6].proxy = "http://proxy";
    all[7].certificate_authorities = "ca.pem";
    all[8].client_certificate = "c.pem";
    all[9].client_key = "c.key";
    all[10].verify = false;
    return all;
}

TEST_CASE("http: each field makes another key, with another hash and another text") {
    const auto all = one_for_each_field();
    std::set<std::size_t> hashes;
    std::set<std::string> texts;
    for (std::size_t i = 0; i < all.size(); ++i) {
        hashes.insert(traits::hash(all[i]));
        texts.insert(traits::describe(all[i]));
        for (std::size_t j = 0; j < all.size(); ++j) CHECK(traits::equal(all[i], all[j]) == (i == j));
    }
    CHECK(hashes.size() == all.size());
    CHECK(texts.size() == all.size());
}

TEST_CASE("http: a key is shown without the user and the password of its proxy") {
    connection_key key = connection_key::from_url("https://db");
    key.proxy = "http://me:secret@proxy:3128";
    key.client_certificate = "c.pem";
    key.verify = false;
    std::ostringstream out;
    out << key;
    CHECK(out.str() == "https://db:443 via http://proxy:3128 with c.pem unverified");
    CHECK(out.str() == traits::describe(key));
    key.proxy = "me:sec@ret@proxy";  // not even if it is none
    CHECK(traits::describe(key) == "https://db:443 via http://proxy with c.pem unverified");
}

TEST_CASE("http: the proxy of a key") {
    const auto proxy = [](const std::string& url) { return pool::beast::kernel::proxy_of({.proxy = url}); };
    CHECK(proxy("").host.empty());
    CHECK(proxy("http://proxy").host == "proxy");
    CHECK(proxy("http://proxy").port == 80);
    CHECK(proxy("http://proxy:3128/").port == 3128);
    CHECK(proxy("http://proxy").authorization.empty());
    CHECK(proxy("http://me:p%40ss@proxy").authorization == "Basic bWU6cEBzcw==");
    CHECK(proxy("http://a:@proxy").authorization == "Basic YTo=");
    CHECK(proxy("http://ab:c@proxy").authorization == "Basic YWI6Yw==");
    CHECK(proxy("http://abc:ef@proxy").authorization == "Basic YWJjOmVm");
    for (const char* bad :
        {"proxy", "https://proxy", "socks5://proxy", "http://secret@proxy", "http://a:secret%4@proxy",
            "http://a:secret%zz@proxy", "http://a%3Ab:secret@proxy", "http://a:secret@", "http://a:sec/secret@proxy"}) {
        CAPTURE(bad);
        try {
            (void)proxy(bad);
            FAIL_CHECK("it was accepted");
        } catch (const std::invalid_argument& e) {
            CHECK(std::string{e.what()}.find("secret") == std::string::npos);
        }
    }
}

TEST_CASE("http: a key that was not read from a URL is checked") {
    using pool::beast::kernel::check;
    CHECK_NOTHROW(check({}));
    CHECK_NOTHROW(check({.host = "::1"}));
    CHECK_THROWS_AS(check({.scheme = "HTTP"}), std::invalid_argument);
    CHECK_THROWS_AS(check({.host = ""}), std::invalid_argument);
    CHECK_THROWS_AS(check({.host = "a\r\nb"}), std::invalid_argument);
    CHECK_THROWS_AS(check({.port = -1}), std::invalid_argument);
    CHECK_THROWS_AS(check({.port = 65536}), std::invalid_argument);
    CHECK_THROWS_AS(check({.alpn = std::string(256, 'x')}), std::invalid_argument);
}

TEST_CASE("http: an error says what is known, and whether a request may be made again") {
    const auto key = std::make_shared<const connection_key>(connection_key{.proxy = "http://me:secret@proxy"});
    const auto reset = std::make_error_code(std::errc::connection_reset);
    const auto may_repeat = [&](const error::facts& known, std::errc why = std::errc::connection_reset) {
        return pool::beast::not_executed(error{std::make_error_code(why), known});
    };
    const error e{reset, {.during = step::read_header, .key = key}, "a word"};
    CHECK(std::string{e.what()} ==
          "http: http://127.0.0.1:80 via http://proxy: read the header: a word: " + reset.message());
    CHECK(e.key() == *key);

    CHECK(may_repeat({.during = step::connect}));
    CHECK(may_repeat({.during = step::write}));
    CHECK(!may_repeat({.during = step::write}, std::errc::timed_out));
    CHECK(!may_repeat({.during = step::connect}, std::errc::operation_canceled));
    const auto known = [](bool has_answer, bool is_idempotent, bool is_reused) {
        return error::facts{.during = step::read_header,
            .may_have_arrived = true,
            .has_answer = has_answer,
            .is_idempotent = is_idempotent,
            .is_reused = is_reused};
    };
    CHECK(may_repeat(known(false, true, true)));
    CHECK(!may_repeat(known(false, true, true), std::errc::timed_out));
    CHECK(!may_repeat(known(true, true, true)));
    CHECK(!may_repeat(known(false, false, true)));
    CHECK(!may_repeat(known(false, true, false)));
    CHECK(!pool::beast::not_executed(std::runtime_error{"another"}));
}

}  // namespace beast_key
