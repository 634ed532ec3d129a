// SPDX-License-Identifier: BSL-1.0
#include <array>

#include <doctest/doctest.h>

#include <pool/core/entry_store.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/stats.hpp>

#include <support/watched_store.hpp>

// What the store asks of keys and connections: it copies few, moves none, and stands what they throw.

using namespace stores;

TEST_CASE_TEMPLATE("entry_store: a connection that cannot move stays at one address", Time, untimed, timed) {
    ledger book;
    watched_store<Time> store{book};
    auto& lent = store.open(1);
    const auto* conn = &lent.conn();
    for (int value = 0; value != 1000; ++value) store.keep(store.open(value));
    store.keep(lent);
    CHECK(store.find(1) != &lent);
    CHECK(store.find(1) == &lent);
    CHECK(&lent.conn() == conn);
    typename watched_store<Time>::entries leaving;
    store.retire_uncounted(lent, pool::retirement::taken, leaving);
    CHECK(&leaving.front().conn() == conn);
    store.erase(leaving);
}

TEST_CASE_TEMPLATE("entry_store: keys whose hashes collide are kept apart", Time, untimed, timed) {
    ledger book;
    watched_store<Time> store{book};
    std::array lent{&store.open(1), &store.open(2), &store.open(1), &store.open(2)};
    for (auto* each : lent) store.keep(*each);
    CHECK(store.stats().keys == 2);
    CHECK(store.find(3) == nullptr);
    CHECK(store.find(2) == lent[1]);
    CHECK(store.find(1) == lent[0]);
    store.discard(*lent[0]);
    CHECK(store.clear(hashed{store.key(1)}) == 1);
    CHECK(store.stats().keys == 1);
    CHECK(store.find(1) == nullptr);
    CHECK(store.find(2) == lent[3]);
}

TEST_CASE("entry_store: a look-up throws what the hash of its key throws [C12]") {
    ledger book{.hash_throws = true};
    watched_store<untimed> store{book};
    CHECK_THROWS_AS(store.open(1), failure);
    CHECK(store.stats() == pool::stats{});
}

TEST_CASE_TEMPLATE("entry_store: a reservation that throws leaves the store as it was [C12]", Time, untimed, timed) {
    ledger book;
    watched_store<Time> store{book};
    store.fill(1);
    const auto before = store.stats();
    const auto key = store.key(0);
    const auto other_key = store.key(1);

    book.comparison_throws = true;
    CHECK_THROWS_AS(store.open(key), failure);
    book.comparison_throws = false;
    book.copy_throws = true;
    CHECK_THROWS_AS(store.open(other_key), failure);
    book.copy_throws = false;

    CHECK(store.stats() == before);
    CHECK(book.keys == 3);
    auto& lent = store.open(other_key);
    store.keep(lent);
    CHECK(store.find(1) == &lent);
}

TEST_CASE_TEMPLATE("entry_store: a look-up that throws changes nothing [C12]", Time, untimed, timed) {
    ledger book;
    watched_store<Time> store{book};
    store.fill(1);
    const auto before = store.stats();
    const auto key = store.key(0);
    const hashed wanted{key};
    typename watched_store<Time>::entries retired;

    book.comparison_throws = true;
    std::size_t most = pool::no_limit;
    CHECK_THROWS_AS(store.lend(wanted, {}, most, retired), failure);
    CHECK_THROWS_AS(store.clear(wanted), failure);
    CHECK_THROWS_AS(store.stats(wanted), failure);
    book.comparison_throws = false;

    CHECK(retired.empty());
    CHECK(store.stats() == before);
    CHECK(store.find(0) != nullptr);
}

TEST_CASE_TEMPLATE(
    "entry_store: a key is copied once, and the copy goes with its last connection [C17]", Time, untimed, timed) {
    ledger book;
    watched_store<Time> store{book};
    for (int value = 0; value != 100; ++value) {
        auto& first = store.open(value);
        auto& second = store.open(value);
        CHECK(book.keys == 1);
        store.discard(first);
        store.keep(second);
        CHECK(book.keys == 1);
        store.clear();
        CHECK(book.keys == 0);
    }
}

TEST_CASE_TEMPLATE("entry_store: an entry that is erased unopened leaves no trace [C17]", Time, untimed, timed) {
    ledger book;
    watched_store<Time> store{book};
    auto& fresh = store.make_entry(hashed{store.key(1)}, never<Time>());
    CHECK(book.keys == 1);
    CHECK(store.stats() == pool::stats{});
    CHECK(store.stats(hashed{store.key(1)}) == pool::key_stats{});
    store.erase_unopened(fresh);
    CHECK(book.keys == 0);
}

TEST_CASE_TEMPLATE("entry_store: a connection that is being opened, is lent or is being closed is in nobody's way",
    Time, untimed, timed) {
    ledger book;
    watched_store<Time> store{book};
    typename watched_store<Time>::entries leaving;
    store.retire_uncounted(store.open(1), pool::retirement::taken, leaving);
    auto& opening = store.make_entry(hashed{store.key(1)}, never<Time>());
    auto& lent = store.open(1);
    store.keep(store.open(1));
    CHECK(store.stats().idle == 1);
    CHECK(store.stats().lent == 1);
    CHECK(store.stats().closing == 1);
    CHECK(store.stats().keys == 1);

    CHECK(store.give_back(lent, 1, never<Time>()) == 1);
    CHECK(store.stats().evicted == 1);
    CHECK(store.find(1) == &lent);
    CHECK(store.find(1) == nullptr);
    store.discard(lent);
    CHECK(store.stats().keys == 0);
    CHECK(store.clear() == 0);
    CHECK(book.keys == 1);

    store.erase(leaving);
    CHECK(store.stats().closing == 0);
    store.erase_unopened(opening);
    CHECK(book.keys == 0);
}

TEST_CASE_TEMPLATE(
    "entry_store: a store may be destroyed with idle connections in it, and destroys them", Time, untimed, timed) {
    ledger book;
    {
        pool::core::entry_store<watched_key, watched_connection, parts_of<Time>> store;
        for (int i = 0; i != 3; ++i) {
            auto& lent = store.make_entry(hashed{watched_key{0, book}}, never<Time>());
            lent.construct([&] { return watched_connection{book}; });
            store.mark_lent(lent, {});
            typename decltype(store)::entries retired;
            store.give_back(lent, {pool::no_limit, pool::no_limit}, never<Time>(), {}, retired);
            CHECK(retired.empty());
        }
    }
    CHECK(book.keys == 0);
}
