// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/pools.hpp>

using fake::default_fixture;

namespace {

template <class Key>
using pool_by = pool::basic_pool<Key, fake::connection>;

enum class shard : unsigned char { first, second };

struct endpoint {
    std::string host;
    unsigned short port = 0;
    shard of{};

    bool operator==(const endpoint&) const = default;
};

/// The error of a closed pool that is asked for this key.
template <class Key>
std::string refusal_of(const Key& key) {
    fake::network net;
    pool_by<Key> conns;
    conns.close();
    try {
        (void)conns.acquire(key, net.dialer());
        return "no refusal";
    } catch (const pool::pool_closed& refusal) {
        return refusal.what();
    }
}

/// Checks that a pool finds a connection again by an equal key, and not by another one.
template <class Key>
void check_told_apart(const Key& one, const std::type_identity_t<Key>& other) {
    fake::network net;
    pool_by<Key> conns;
    conns.put(one, net.dial());
    CHECK_FALSE(conns.try_acquire(other));
    const auto found = conns.try_acquire(Key(one));
    REQUIRE(found);
    CHECK(found.key() == one);
}

}  // namespace

TEST_CASE("basic_pool: a key may be a string, a number, an enum, an aggregate, a pair or a pointer") {
    SUBCASE("string") { check_told_apart(std::string{"a"}, "b"); }
    SUBCASE("wide string") { check_told_apart(std::wstring{L"a"}, L"b"); }
    SUBCASE("number") { check_told_apart(1, 2); }
    SUBCASE("enum class") { check_told_apart(shard::first, shard::second); }
    SUBCASE("aggregate, by its first field") { check_told_apart(endpoint{"a", 1}, {"b", 1}); }
    SUBCASE("aggregate, by its second field") { check_told_apart(endpoint{"a", 1}, {"a", 2}); }
    SUBCASE("aggregate, by its last field") { check_told_apart(endpoint{"a", 1}, {"a", 1, shard::second}); }
    SUBCASE("pair") { check_told_apart(std::pair{std::string{"a"}, 1}, {"a", 2}); }
    SUBCASE("pointer") { check_told_apart(std::make_shared<int>(1), std::make_shared<int>(1)); }
}

TEST_CASE_FIXTURE(default_fixture, "basic_pool: a string key is found by any kind of string") {
    conns.put("host", net.dial());
    CHECK(conns.try_acquire("host"));
    CHECK(conns.try_acquire(std::string{"host"}));
    CHECK(conns.try_acquire(std::string_view{"host:7777"}.substr(0, 4)));
}

TEST_CASE("basic_pool: an aggregate key is written in braces") {
    fake::network net;
    pool_by<endpoint> conns;
    conns.put({"a", 1}, net.dial());
    CHECK(conns.try_acquire({"a", 1}));
    CHECK(conns.stats({.host = "a", .port = 1}).idle == 1);
}

TEST_CASE("basic_pool: an error shows the key as far as it can be printed") {
    CHECK(refusal_of(7) == R"(pool "": no connection for key 7: the pool is closed (0 idle, 0 lent))");
    CHECK(refusal_of(shard::second) == R"(pool "": no connection for key 1: the pool is closed (0 idle, 0 lent))");
    CHECK(refusal_of(endpoint{"a", 1}) ==
          R"(pool "": no connection for key (not printable): the pool is closed (0 idle, 0 lent))");
}

TEST_CASE("basic_pool: the key of a put may be a part of the connection") {
    struct peer_connection {
        std::string peer;
        bool open = true;

        void close() { open = false; }
        bool closed() const noexcept { return !open; }
        bool unblocked() const noexcept { return true; }
    };
    pool::basic_pool<std::string, peer_connection> conns;
    peer_connection conn{"short"};
    conns.put(conn.peer, std::move(conn));
    CHECK(conns.try_acquire("short"));
}

TEST_CASE("basic_pool: the key of an acquire may be destroyed during its dial") {
    fake::network net;
    pool::basic_pool<std::string, fake::connection, pool::fixed<1>> conns;
    auto first = conns.acquire("a key that is longer than the buffer of a string", net.dialer());
    const auto second = conns.acquire(first.key(), [&](const std::string&) {
        first.discard();
        return net.dial();
    });
    CHECK(second.key() == "a key that is longer than the buffer of a string");
}
