// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <utility>

#include <doctest/doctest.h>

#include <pool/settings.hpp>
#include <pool/stats.hpp>

#include <support/ids.hpp>
#include <support/tended_store.hpp>

// Which idle connection a look-up lends, and which it passes over or retires on the way.

using namespace stores;
using fake::ids;
using pool::reuse_order;

TEST_CASE_TEMPLATE("entry_store: a new connection is lent under its key", Time, untimed, timed) {
    tended_store<Time> store;
    auto& lent = store.open("a");
    CHECK(lent.key() == "a");
    CHECK(lent.conn().id() == 1);
    CHECK(store.stats("a") == pool::key_stats{.idle = 0, .lent = 1});
    store.remove(lent);
}

TEST_CASE_TEMPLATE("entry_store: a lent connection is not handed out again [C1]", Time, untimed, timed) {
    tended_store<Time> store;
    auto& lent = store.open("a");
    CHECK(store.lend("a") == nullptr);
    store.give_back(lent);
    CHECK(store.lend("a") == &lent);
    CHECK(store.lend("a") == nullptr);
    store.remove(lent);
}

TEST_CASE_TEMPLATE("entry_store: a connection is handed out under its own key only", Time, untimed, timed) {
    tended_store<Time> store;
    store.put("a");
    CHECK(store.take("b") == 0);
    CHECK(store.take("a") == 1);
}

TEST_CASE_TEMPLATE("entry_store: every look-up is a hit or a miss [C16]", Time, untimed, timed) {
    tended_store<Time> store;
    store.put("a");
    store.take("b");
    CHECK(store.stats().misses == 1);
    CHECK(store.stats().hits == 0);
    store.take("a");
    store.take("a");
    CHECK(store.stats().misses == 2);
    CHECK(store.stats().hits == 1);
}

TEST_CASE_TEMPLATE(
    "entry_store: a connection that is put while all others of its key are lent joins them", Time, untimed, timed) {
    tended_store<Time> store;
    auto& lent = store.open("a");
    store.put("a");
    CHECK(store.stats().keys == 1);
    CHECK(store.stats("a") == pool::key_stats{.idle = 1, .lent = 1});
    auto* other = store.lend("a");
    REQUIRE(other != nullptr);
    CHECK(&other->key() == &lent.key());
    store.remove(lent);
    store.remove(*other);
}

TEST_CASE_TEMPLATE("entry_store: an unknown key has no connections", Time, untimed, timed) {
    tended_store<Time> store;
    store.put("a");
    CHECK(store.stats("b") == pool::key_stats{});
    CHECK(store.clear("b") == ids{});
    CHECK(store.stats().keys == 1);
}

TEST_CASE_TEMPLATE("entry_store: within a key, the one given back first is lent first [C4]", Time, untimed, timed) {
    tended_store<Time> store;
    std::array lent{&store.open("a"), &store.open("a"), &store.open("a")};
    for (const auto i : {1U, 2U, 0U}) store.give_back(*lent[i]);
    CHECK(store.take("a") == 2);
    CHECK(store.take("a") == 3);
    CHECK(store.take("a") == 1);
}

TEST_CASE_TEMPLATE("entry_store: with a setting, the one given back last is lent first [C4]", Time, untimed, timed) {
    tended_store<Time> store{{}, reuse_order::newest_first};
    std::array lent{&store.open("a"), &store.open("a"), &store.open("a")};
    for (const auto i : {1U, 2U, 0U}) store.give_back(*lent[i]);
    CHECK(store.take("a") == 1);
    CHECK(store.take("a") == 3);
    CHECK(store.take("a") == 2);
}

TEST_CASE_TEMPLATE("entry_store: a blocked connection is passed over and keeps its place [C5]", Time, untimed, timed) {
    for (const auto& [reuse, order] : {std::pair{reuse_order::oldest_first, std::array{2, 1, 3}},
             std::pair{reuse_order::newest_first, std::array{2, 3, 1}}}) {
        tended_store<Time> store{{}, reuse};
        for (int i = 0; i != 3; ++i) store.put("a");
        store.net[1].blocked = true;
        store.net[3].blocked = true;
        CHECK(store.take("a") == order[0]);
        CHECK(store.stats().skipped_blocked == 1);
        store.net[1].blocked = false;
        store.net[3].blocked = false;
        CHECK(store.take("a") == order[1]);
        CHECK(store.take("a") == order[2]);
    }
}

TEST_CASE_TEMPLATE("entry_store: a look-up that finds all blocked is a miss [C5]", Time, untimed, timed) {
    tended_store<Time> store;
    for (int id = 1; id != 4; ++id) {
        store.put("a");
        store.net[id].blocked = true;
    }
    CHECK(store.take("a") == 0);
    CHECK(store.stats().misses == 1);
    CHECK(store.stats().skipped_blocked == 3);
    CHECK(store.stats("a").idle == 3);
}

TEST_CASE_TEMPLATE("entry_store: a blocked connection counts and is evicted as any other [C5]", Time, untimed, timed) {
    tended_store<Time> store{{.max_idle = 2, .max_idle_per_key = 1}};
    store.put("a");
    store.put("b");
    store.net[1].blocked = true;
    store.net[2].blocked = true;
    CHECK(store.put("b") == ids{2});
    CHECK(store.put("c") == ids{1});
}

TEST_CASE("entry_store: a blocked connection keeps its age [C5]") {
    tended_store<timed> store;
    store.put("a", at(10));
    store.net[1].blocked = true;
    CHECK(store.take("a", at(9)) == 0);
    CHECK(store.take("a", at(10)) == 0);
    CHECK(store.retired == ids{1});
}

TEST_CASE_TEMPLATE("entry_store: a look-up retires the closed connections that it meets [C6]", Time, untimed, timed) {
    for (const auto reuse : {reuse_order::oldest_first, reuse_order::newest_first}) {
        tended_store<Time> store{{}, reuse};
        for (int i = 0; i != 3; ++i) store.put("a");
        store.net[1].dead = true;
        store.net[3].dead = true;
        auto* live = store.lend("a");
        REQUIRE(live != nullptr);
        CHECK(live->conn().id() == 2);
        CHECK(store.retired == ids{reuse == reuse_order::oldest_first ? 1 : 3});
        CHECK(store.stats().found_closed == 1);
        CHECK(store.stats("a") == pool::key_stats{.idle = 1, .lent = 1});
        store.remove(*live);
    }
}

TEST_CASE_TEMPLATE(
    "entry_store: a look-up that finds all closed is a miss, and retires all [C6]", Time, untimed, timed) {
    for (const auto reuse : {reuse_order::oldest_first, reuse_order::newest_first}) {
        tended_store<Time> store{{}, reuse};
        for (int id = 1; id != 4; ++id) {
            store.put("a");
            store.net[id].dead = true;
        }
        store.put("b");
        CHECK(store.take("a") == 0);
        CHECK(store.retired.size() == 3);
        CHECK(store.stats().found_closed == 3);
        CHECK(store.stats().misses == 1);
        CHECK(store.stats().keys == 1);
        CHECK(store.take("b") == 4);
    }
}

TEST_CASE_TEMPLATE(
    "entry_store: closed and blocked connections do not hide a live one behind them [C6]", Time, untimed, timed) {
    for (const auto reuse : {reuse_order::oldest_first, reuse_order::newest_first}) {
        tended_store<Time> store{{}, reuse};
        for (int i = 0; i != 7; ++i) store.put("a");
        for (const int dead : {1, 3, 5, 7}) store.net[dead].dead = true;
        for (const int blocked : {2, 6}) store.net[blocked].blocked = true;
        CHECK(store.take("a") == 4);
        CHECK(store.take("a") == 0);
        CHECK(store.clear() == ids{2, 6});
    }
}
