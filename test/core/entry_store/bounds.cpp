// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>

#include <pool/policies/capacity.hpp>
#include <pool/settings.hpp>
#include <pool/stats.hpp>

#include <support/ids.hpp>
#include <support/tended_store.hpp>

// How many connections are kept idle, and which is evicted when there is one too many.

using namespace stores;
using fake::ids;
using pool::reuse_order;

TEST_CASE_TEMPLATE("entry_store: no more connections than the bound are idle [C2]", Time, untimed, timed) {
    tended_store<Time> store{{.max_idle = 2}};
    for (const auto* key : {"a", "b", "c", "a", "a", "b", "d"}) {
        store.put(key);
        CHECK(store.stats().idle <= 2);
    }
    CHECK(store.stats().idle == 2);
    CHECK(store.stats().evicted == 5);
}

TEST_CASE_TEMPLATE("entry_store: no more connections of a key than its bound are idle [C2]", Time, untimed, timed) {
    tended_store<Time> store{{.max_idle_per_key = 2}};
    for (const auto* key : {"a", "a", "b", "a", "b", "a", "b"}) {
        store.put(key);
        CHECK(store.stats(key).idle <= 2);
    }
    CHECK(store.stats("a").idle == 2);
    CHECK(store.stats("b").idle == 2);
    CHECK(store.stats().evicted == 3);
}

TEST_CASE_TEMPLATE("entry_store: a lent connection counts toward no bound [C2]", Time, untimed, timed) {
    tended_store<Time> store{{.max_idle = 1, .max_idle_per_key = 1}};
    auto& first = store.open("a");
    auto& second = store.open("a");
    CHECK(store.put("a") == ids{});
    CHECK(store.stats("a") == pool::key_stats{.idle = 1, .lent = 2});
    store.remove(first);
    store.remove(second);
}

TEST_CASE_TEMPLATE("entry_store: a bound of zero keeps none and evicts none [C2]", Time, untimed, timed) {
    tended_store<Time> none_in_all{{.max_idle = 0}};
    tended_store<Time> none_of_a_key{{.max_idle_per_key = 0}};
    for (auto* store : {&none_in_all, &none_of_a_key}) {
        CHECK(store->put("a") == ids{1});
        CHECK(store->stats().refused == 1);
        CHECK(store->stats().evicted == 0);
        CHECK(store->stats().idle == 0);
    }
}

TEST_CASE_TEMPLATE("entry_store: a full key gives up its own oldest [C3]", Time, untimed, timed) {
    tended_store<Time> store{{.max_idle_per_key = 2}};
    for (const auto* key : {"b", "a", "a"}) store.put(key);
    CHECK(store.put("a") == ids{2});
    CHECK(store.put("a") == ids{3});
}

TEST_CASE_TEMPLATE("entry_store: a full store gives up its oldest, whatever its key [C3]", Time, untimed, timed) {
    tended_store<Time> store{{.max_idle = 3}};
    for (const auto* key : {"a", "b", "c"}) store.put(key);
    CHECK(store.put("c") == ids{1});
    CHECK(store.put("a") == ids{2});
}

TEST_CASE_TEMPLATE(
    "entry_store: a full key in a full store gives up one connection, its own [C3]", Time, untimed, timed) {
    tended_store<Time> store{{.max_idle = 3, .max_idle_per_key = 2}};
    for (const auto* key : {"b", "a", "a"}) store.put(key);
    CHECK(store.put("a") == ids{2});
    CHECK(store.clear() == ids{1, 3, 4});
}

TEST_CASE_TEMPLATE("entry_store: the victim may be the last of the key that is put [C3]", Time, untimed, timed) {
    tended_store<Time> store{{.max_idle = 1}};
    CHECK(store.put("a") == ids{});
    CHECK(store.put("a") == ids{1});
    CHECK(store.put("b") == ids{2});
    CHECK(store.put("b") == ids{3});
    CHECK(store.stats().keys == 1);
    CHECK(store.take("b") == 4);
}

TEST_CASE_TEMPLATE("entry_store: the oldest is the one given back first, not opened first [C3]", Time, untimed, timed) {
    tended_store<Time> store{{.max_idle = 2}};
    auto& first = store.open("a");
    auto& second = store.open("b");
    store.give_back(second);
    store.give_back(first);
    CHECK(store.put("c") == ids{2});
}

TEST_CASE_TEMPLATE("entry_store: a connection that was lent meanwhile is young again [C3]", Time, untimed, timed) {
    tended_store<Time> store{{.max_idle = 3}};
    for (const auto* key : {"a", "b", "c"}) store.put(key);
    for (const auto* key : {"a", "c", "b"}) store.give_back(*store.lend(key));
    CHECK(store.put("d") == ids{1});
    CHECK(store.put("d") == ids{3});
    CHECK(store.put("d") == ids{2});
}

TEST_CASE_TEMPLATE("entry_store: opening and lending leave the order of the idle as it is [C3]", Time, untimed, timed) {
    tended_store<Time> store;
    for (const auto* key : {"a", "b", "c", "d"}) store.put(key);
    auto& fresh = store.open("e");
    store.put("f");
    auto* oldest = store.lend("a");
    auto* middle = store.lend("c");
    CHECK(store.clear() == ids{2, 4, 6});
    for (auto* lent : {&fresh, oldest, middle}) store.remove(*lent);
}

TEST_CASE_TEMPLATE("entry_store: the oldest is evicted, whichever is lent first [C3]", Time, untimed, timed) {
    tended_store<Time> store{{.max_idle_per_key = 2}, reuse_order::newest_first};
    store.put("a");
    store.put("a");
    CHECK(store.put("a") == ids{1});
}

TEST_CASE_TEMPLATE("entry_store: when the oldest have left, the next one is the oldest [C3]", Time, untimed, timed) {
    tended_store<Time> store;
    for (const auto* key : {"a", "b", "c"}) store.put(key);
    SUBCASE("closed") {
        store.clear("a");
        store.clear("b");
    }
    SUBCASE("discarded") {
        store.remove(*store.lend("a"));
        store.remove(*store.lend("b"));
    }
    store.put("d");  // in the memory of one that has left
    CHECK(store.clear(1) == ids{3});
    CHECK(store.clear() == ids{4});
}

TEST_CASE_TEMPLATE("entry_store: trimming evicts the oldest beyond the bound of each key [C3]", Time, untimed, timed) {
    tended_store<Time> store;
    for (const auto* key : {"a", "b", "a", "c", "a", "b"}) store.put(key);
    const auto trimmed = store.trim(pool::no_limit, [](const auto& of) { return of.key == "b" ? 2U : 1U; });
    CHECK(trimmed == ids{1, 3});
    CHECK(store.stats().evicted == 2);
    CHECK(store.clear() == ids{2, 4, 5, 6});
}

TEST_CASE_TEMPLATE(
    "entry_store: trimming evicts the oldest of all after those of full keys [C3]", Time, untimed, timed) {
    tended_store<Time> store;
    auto& lent = store.open("a");
    for (const auto* key : {"b", "a", "a", "a"}) store.put(key);
    CHECK(store.trim(2, [](const auto&) { return 2U; }) == ids{3, 2});
    CHECK(store.clear() == ids{4, 5});
    store.remove(lent);
}

TEST_CASE_TEMPLATE("entry_store: trimming to nothing evicts all that are idle [C2]", Time, untimed, timed) {
    tended_store<Time> store;
    for (const auto* key : {"a", "b", "a"}) store.put(key);
    CHECK(store.trim(pool::no_limit, [](const auto&) { return 0U; }) == ids{1, 2, 3});
    CHECK(store.stats().keys == 0);
}

TEST_CASE_TEMPLATE(
    "entry_store: one give-back evicts a batch at most, if a bound has become lower [C10]", Time, untimed, timed) {
    tended_store<Time> store{{}};
    for (int i = 0; i != 300; ++i) store.put("a");
    auto& lent = store.open("a");
    SUBCASE("of a key") { store.bounds({.max_idle_per_key = 1}); }
    SUBCASE("of all") { store.bounds({.max_idle = 1}); }
    SUBCASE("both") { store.bounds({.max_idle = 1, .max_idle_per_key = 1}); }
    CHECK(store.give_back(lent).size() == 128);
    CHECK(store.stats().idle == 173);
}
