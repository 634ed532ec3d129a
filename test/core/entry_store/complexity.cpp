// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <vector>

#include <doctest/doctest.h>

#include <pool/core/entry_store.hpp>
#include <pool/core/hashed_key.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/settings.hpp>

#include <support/watched_store.hpp>

// How much an operation does, counted in calls of the code of keys, connections and times.

namespace core_entry_store_complexity_cases {

using namespace stores;
using pool::reuse_order;

namespace {

constexpr int many = 10'000;

}  // namespace

TEST_CASE_TEMPLATE("entry_store: a key is hashed by its look-up and never again [C10]", Time, untimed, timed) {
    ledger book;
    watched_store<Time> store{book};
    store.fill(100);
    CHECK(book.hashes == 100);
    store.clear();
    CHECK(book.hashes == 100);
}

TEST_CASE_TEMPLATE("entry_store: lending and giving back touch no other connection [C10]", Time, untimed, timed) {
    for (const auto reuse : {reuse_order::oldest_first, reuse_order::newest_first}) {
        ledger book;
        watched_store<Time> store{book, reuse};
        store.fill(many);
        book = {.keys = book.keys};
        auto* lent = store.find(0);
        REQUIRE(lent != nullptr);
        CHECK(book.comparisons == 1);
        CHECK(book.questions == 2);
        store.keep(*lent);
        CHECK(book.comparisons == 1);
        CHECK(book.questions == 2);
    }
}

TEST_CASE_TEMPLATE("entry_store: evicting and clearing ask no connection, and a sweep asks each once [C10]", Time, untimed, timed) {
    ledger book;
    watched_store<Time> store{book};
    store.fill(many);
    book = {.keys = book.keys};
    auto& lent = store.open(0);
    CHECK(store.give_back(lent, many, never<Time>()) == 1);
    CHECK(book.questions == 0);
    int bounds_asked = 0;
    store.trim(many / 2, [&](const auto&) { return ++bounds_asked, pool::no_limit; });
    CHECK(bounds_asked == many);
    CHECK(book.questions == many);
    CHECK(store.clear() == many / 2);
    CHECK(book.questions == many);
    CHECK(book.comparisons == 1);
}

TEST_CASE_TEMPLATE("entry_store: a look-up asks each of many closed connections once [C10]", Time, untimed, timed) {
    for (const auto reuse : {reuse_order::oldest_first, reuse_order::newest_first}) {
        ledger book;
        watched_store<Time> store{book, reuse};
        store.fill(many);
        book = {.keys = book.keys, .all_dead = true};
        typename watched_store<Time>::entries retired;
        std::size_t most = pool::no_limit;
        CHECK(store.lend(hashed{store.key(0)}, {}, most, retired) == nullptr);
        CHECK(retired.size() == many);
        store.erase(retired);
        CHECK(book.questions == many);
        CHECK(book.comparisons == 1);
    }
}

TEST_CASE("entry_store: a sweep asks no connection, and looks up no key [C10]") {
    ledger book;
    watched_store<timed> store{book};
    store.fill(many, at(10));
    book = {.keys = book.keys};
    CHECK(store.expire(at(10)) == many);
    CHECK(book.questions == 0);
    CHECK(book.comparisons == 0);
}

TEST_CASE("entry_store: lending and giving back leave the index by expiry alone [C10]") {
    ledger book;
    watched_store<counted_time> store{book};
    store.fill(many, {1});
    const int before = counted_time::comparisons;
    for (int i = 0; i != many; ++i) store.keep(*store.find(0), {2 + i});
    CHECK(counted_time::comparisons - before <= 6 * many);
}

TEST_CASE("entry_store: opening with ever later expiries does not search for their place [C10]") {
    ledger book;
    watched_store<counted_time> store{book};
    store.fill(many, {1});
    const int before = counted_time::comparisons;
    for (int i = 0; i != many; ++i) store.keep(store.open(0, {2 + i}), {2 + i});
    CHECK(counted_time::comparisons - before <= 6 * many);
}

TEST_CASE("entry_store: an expiry is put in order once after it has changed [C10]") {
    ledger book;
    watched_store<counted_time> store{book};
    store.fill(many, {1});
    for (int i = 0; i != many; ++i) store.keep(*store.find(0), {2 + i});
    const auto not_idle = [](const auto&) { return counted_time::max(); };
    CHECK(store.next_expiry(pool::no_limit, not_idle) == counted_time{2});
    const int before = counted_time::comparisons;
    CHECK(store.next_expiry(pool::no_limit, not_idle) == counted_time{2});
    CHECK(store.expire({1}) == 0);
    CHECK(counted_time::comparisons - before <= 10);
}

TEST_CASE("entry_store: re-keying an expiry does not search through the others of its key [C10]") {
    // Such a search would call no foreign code, so there is nothing to count. It would make this case take hours.
    struct idle_connection {
        static bool closed() noexcept { return true; }
        static bool unblocked() noexcept { return true; }
    };
    using store_type = pool::core::entry_store<int, idle_connection, parts_of<timed>>;
    store_type store;
    constexpr std::size_t count = 300'000;
    std::vector<store_type::entry*> lent;
    for (std::size_t i = 0; i != count; ++i) {
        lent.push_back(&store.make_entry(pool::core::hashed_key<int>{1}, at(10)));
        lent.back()->construct([] { return idle_connection{}; });
        store.mark_lent(*lent.back(), {});
    }
    store_type::entries retired;
    const auto not_before_idle = [](const store_type::entry&) { return timed::max(); };
    for (auto* each : lent) store.give_back(*each, {pool::no_limit, pool::no_limit}, at(20), timed{}, retired);
    store.expire(at(10), pool::no_limit, not_before_idle, retired);
    CHECK(retired.empty());
    store.expire(at(20), pool::no_limit, not_before_idle, retired);
    CHECK(retired.size() == count);
    while (!retired.empty()) {
        store_type::entry& next = retired.front();
        retired.pop_front();
        store.erase_closed(next, {});
    }
}

}  // namespace core_entry_store_complexity_cases
