// SPDX-License-Identifier: BSL-1.0
#include <optional>

#include <doctest/doctest.h>

#include <pool/settings.hpp>
#include <pool/stats.hpp>

#include <support/ids.hpp>
#include <support/tended_store.hpp>

// When an idle connection expires, and what a sweep and the next expiry find.

using namespace stores;
using fake::ids;
using pool::reuse_order;

TEST_CASE("entry_store: a connection is lent just before it expires, and not when it expires [C7]") {
    for (const auto reuse : {reuse_order::oldest_first, reuse_order::newest_first}) {
        tended_store<timed> store{{}, reuse};
        store.put("a", at(10));
        store.put("a", at(10));
        CHECK(store.take("a", at(9)) != 0);
        CHECK(store.take("a", at(10)) == 0);
        CHECK(store.retired.size() == 1);
        CHECK(store.stats().expired == 1);
        CHECK(store.stats().found_closed == 0);
    }
}

TEST_CASE("entry_store: an expired connection does not hide a live one behind it [C7]") {
    tended_store<timed> store;
    store.put("a", at(10));
    store.put("a", at(20));
    CHECK(store.take("a", at(10)) == 2);
    CHECK(store.retired == ids{1});
}

TEST_CASE("entry_store: a connection that is given back when it is due is not kept [C7]") {
    tended_store<timed> store{{.max_idle = 1}};
    store.put("a", at(20));
    CHECK(store.put("a", at(10), at(10)) == ids{2});
    CHECK(store.stats().expired == 1);
    CHECK(store.stats().evicted == 0);
    CHECK(store.take("a") == 1);
}

TEST_CASE("entry_store: a lent connection does not expire [C7]") {
    tended_store<timed> store;
    store.put("a", at(10));
    auto* lent = store.lend("a");
    REQUIRE(lent != nullptr);
    CHECK(store.next_expiry() == timed::max());
    CHECK(store.expire(at(1000)) == ids{});
    CHECK(store.stats().lent == 1);
    store.remove(*lent);
}

TEST_CASE_TEMPLATE("entry_store: if it is asked to, an entry knows since when it is idle", Parts,
    pool::core::entry_parts<timed, pool::core::entry_facts{.since = true}>,
    pool::core::entry_parts<timed, pool::core::entry_facts{.timed = true, .since = true}>) {
    tended_store<timed, Parts> store;
    auto& first = store.open("a");
    auto& second = store.open("a");
    store.give_back(first, timed::max(), at(5));
    store.give_back(second, timed::max(), at(7));
    CHECK(first.idle_since() == at(5));
    CHECK(second.idle_since() == at(7));
    REQUIRE(store.lend("a", at(9)) == &first);
    CHECK(first.idle_since() == at(5));
    store.give_back(first, timed::max(), at(11));
    CHECK(first.idle_since() == at(11));
    CHECK(second.idle_since() == at(7));
}

TEST_CASE("entry_store: idle age starts at give-back [C7]") {
    tended_store<timed> store;
    store.put("a", at(10));
    store.give_back(*store.lend("a", at(9)), at(19), at(9));
    CHECK(store.expire(at(18)) == ids{});
    CHECK(store.expire(at(19)) == ids{1});
}

TEST_CASE("entry_store: an expiry of max() is never due, not even at max() [C18]") {
    tended_store<timed> store;
    store.put("a", timed::max(), timed::max());
    CHECK(store.stats().idle == 1);
    CHECK(store.expire(timed::max()) == ids{});
    CHECK(store.take("a", timed::max()) == 1);
}

TEST_CASE("entry_store: connections that expire at the same time are due together [C7]") {
    tended_store<timed> store;
    for (const auto* key : {"a", "b", "a", "b"}) store.put(key, at(10));
    CHECK(store.expire(at(9)) == ids{});
    CHECK(store.expire(at(10)).size() == 4);
    CHECK(store.stats().keys == 0);
}

TEST_CASE("entry_store: a sweep retires a connection when it is due, and not before [C7]") {
    tended_store<timed> store;
    store.put("a", at(10));
    CHECK(store.expire(at(9)) == ids{});
    CHECK(store.expire(at(10)) == ids{1});
    CHECK(store.expire(at(10)) == ids{});
    CHECK(store.stats().expired == 1);
}

TEST_CASE("entry_store: a sweep retires the earliest first [C7]") {
    tended_store<timed> store;
    for (const int due : {30, 10, 40, 20}) store.put("a", at(due));
    CHECK(store.expire(at(30)) == ids{2, 4, 1});
    CHECK(store.next_expiry() == at(40));
}

TEST_CASE("entry_store: a sweep first puts in order what was given back meanwhile [C7]") {
    tended_store<timed> store;
    store.put("a", at(10));
    store.put("a", at(30));
    store.give_back(*store.lend("a"), at(20));
    CHECK(store.expire(at(40)) == ids{1, 2});
}

TEST_CASE("entry_store: a sweep finds a due connection behind others whose expiry has moved [C7]") {
    tended_store<timed> store;
    for (const int due : {10, 11, 12, 13}) store.put("a", at(due));
    for (const int due : {40, 30, 20}) store.give_back(*store.lend("a"), at(due));
    CHECK(store.expire(at(13)) == ids{4});
    CHECK(store.next_expiry() == at(20));
    CHECK(store.expire(at(30)) == ids{3, 2});
    CHECK(store.expire(at(40)) == ids{1});
}

TEST_CASE("entry_store: a sweep takes no more steps than it is allowed, and says whether there is more") {
    tended_store<timed> store;
    for (int i = 0; i != 3; ++i) store.put("a", at(10));
    store.give_back(*store.lend("a"), at(30));  // its place in the index is out of date
    CHECK_FALSE(store.sweep(at(10), 2));
    CHECK(store.retired == ids{2});
    CHECK(store.sweep(at(10), 1));
    CHECK(store.retired == ids{3});
    CHECK(store.sweep(at(10), 0));
    CHECK_FALSE(store.sweep(at(30), 0));
    CHECK(store.retired == ids{});
}

TEST_CASE("entry_store: after the clock has jumped back, each connection expires at its own time [C18]") {
    tended_store<timed> store;
    store.put("a", at(110), at(100));
    store.put("a", at(60), at(50));
    auto* lent = store.lend("a", at(50));
    REQUIRE(lent != nullptr);
    store.give_back(*lent, at(15), at(5));
    CHECK(store.expire(at(14)) == ids{});
    CHECK(store.expire(at(15)) == ids{1});
    CHECK(store.expire(at(59)) == ids{});
    CHECK(store.take("a", at(59)) == 2);
}

TEST_CASE("entry_store: the next expiry is the earliest of the idle connections") {
    tended_store<timed> store;
    CHECK(store.next_expiry() == timed::max());
    store.put("a", at(20));
    store.put("b", at(10));
    CHECK(store.next_expiry() == at(10));
    auto* lent = store.lend("b");
    REQUIRE(lent != nullptr);
    CHECK(store.next_expiry() == at(20));
    store.give_back(*lent, at(30));
    CHECK(store.next_expiry() == at(20));
    CHECK(store.take("a") == 1);
    CHECK(store.next_expiry() == at(30));
}

TEST_CASE("entry_store: a connection may expire earlier than was announced when it was made") {
    tended_store<timed> store;
    store.put("a", at(20));
    store.give_back(store.open("b", at(100)), at(10));
    CHECK(store.next_expiry() == at(10));
    CHECK(store.expire(at(10)) == ids{2});
}

TEST_CASE("entry_store: asking for the next expiry while a connection is lent does not change when that one expires") {
    tended_store<timed> store;
    store.put("a", at(10));
    auto* lent = store.lend("a");
    REQUIRE(lent != nullptr);
    CHECK(store.next_expiry() == timed::max());
    store.give_back(*lent, at(20));
    CHECK(store.next_expiry() == at(20));
    CHECK(store.expire(at(20)) == ids{1});
}

TEST_CASE("entry_store: the next expiry takes no more steps than it is allowed") {
    tended_store<timed> store;
    for (int i = 0; i != 3; ++i) store.put("a", at(10));
    for (int i = 0; i != 2; ++i) store.give_back(*store.lend("a"), at(30));
    CHECK(store.next_expiry(1) == std::nullopt);
    CHECK(store.next_expiry(0) == std::nullopt);
    CHECK(store.next_expiry(1) == at(10));
    CHECK(store.next_expiry(0) == at(10));
}
