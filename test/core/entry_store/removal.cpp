// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>

#include <pool/policies/capacity.hpp>
#include <pool/stats.hpp>

#include <support/ids.hpp>
#include <support/tended_store.hpp>

// Entries that leave the store leave nothing behind.

using namespace stores;
using fake::ids;

TEST_CASE_TEMPLATE("entry_store: a removed connection is forgotten [C1]", Time, untimed, timed) {
    tended_store<Time> store;
    CHECK(store.remove(store.open("a")) == ids{1});
    CHECK(store.take("a") == 0);
    CHECK(store.clear() == ids{});
    CHECK(store.stats().lent == 0);
}

TEST_CASE_TEMPLATE("entry_store: a refused connection is a put that is not kept [C6]", Time, untimed, timed) {
    tended_store<Time> store;
    CHECK(store.refuse(store.open("a")) == ids{1});
    CHECK(store.stats().puts == 1);
    CHECK(store.stats().refused == 1);
    CHECK(store.stats().lent == 0);
    CHECK(store.stats().keys == 0);
}

TEST_CASE_TEMPLATE("entry_store: clearing retires all that are idle, the oldest first", Time, untimed, timed) {
    tended_store<Time> store;
    auto& lent = store.open("a");
    for (const auto* key : {"b", "a", "b"}) store.put(key);
    store.net[3].blocked = true;
    CHECK(store.clear() == ids{2, 3, 4});
    CHECK(store.stats().cleared == 3);
    CHECK(store.stats("a") == pool::key_stats{.idle = 0, .lent = 1});
    CHECK(store.stats().keys == 1);
    store.give_back(lent);
    CHECK(store.take("a") == 1);
}

TEST_CASE_TEMPLATE("entry_store: clearing a key leaves the others, and what is lent", Time, untimed, timed) {
    tended_store<Time> store;
    auto& lent = store.open("a");
    for (const auto* key : {"a", "b", "a"}) store.put(key);
    CHECK(store.clear("a") == ids{2, 4});
    CHECK(store.stats().cleared == 2);
    CHECK(store.stats("a") == pool::key_stats{.idle = 0, .lent = 1});
    CHECK(store.take("b") == 3);
    store.remove(lent);
}

TEST_CASE_TEMPLATE("entry_store: a clear takes no more steps than it is allowed", Time, untimed, timed) {
    tended_store<Time> store;
    for (int i = 0; i != 3; ++i) store.put("a");
    CHECK(store.clear(2) == ids{1, 2});
    CHECK(store.clear("a", 0) == ids{});
    CHECK(store.clear("a", 2) == ids{3});
}

TEST_CASE_TEMPLATE("entry_store: a key is known as long as it has a connection [C17]", Time, untimed, timed) {
    tended_store<Time> store{{.max_idle = 1}};
    const auto& keys = store.stats().keys;
    auto& lent = store.open("a");
    CHECK(keys == 1);
    store.give_back(lent);
    CHECK(keys == 1);
    store.put("b");
    CHECK(keys == 1);
    store.take("b");
    CHECK(keys == 0);
    store.put("c");
    store.clear();
    CHECK(keys == 0);
    store.put("d");
    store.net[4].dead = true;
    store.take("d");
    CHECK(keys == 0);
    store.put("e");
    store.trim(0, [](const auto&) { return 0U; });
    CHECK(keys == 0);
}

TEST_CASE("entry_store: a key is forgotten with its last connection that expires [C17]") {
    tended_store<timed> store;
    store.put("a", at(10));
    store.put("a", at(20));
    store.put("b", at(10));
    store.expire(at(10));
    CHECK(store.stats().keys == 1);
    store.take("a", at(20));
    CHECK(store.stats().keys == 0);
}
