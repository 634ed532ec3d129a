// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <compare>
#include <cstddef>
#include <limits>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <range/v3/view/all.hpp>

#include <pool/core/entry_store.hpp>
#include <pool/key.hpp>
#include <pool/stats.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/clock.hpp>

#include <support/fake.hpp>

namespace {

using pool::reuse_order;

using untimed = pool::core::no_time;
using timed = pool::manual_clock::time_point;

constexpr timed at(int tick) { return timed{timed::duration{tick}}; }

template <class Time>
constexpr Time never() {
    if constexpr (std::is_same_v<Time, untimed>) return {};
    else return Time::max();
}

struct ids : std::vector<int> {
    using vector::vector;
    friend std::ostream& operator<<(std::ostream& out, const ids& all) { return out << ranges::views::all(all); }
};

/// A store, and of a pool the least that it needs: it dials, and closes what the store hands back.
/// Connections are known by their numbers, in the order in which they were opened.
template <class Time>
class tended_store {
    using store_type = pool::core::entry_store<std::string, fake::connection, Time>;
    using entries = typename store_type::entries;
    using hashed = typename store_type::hashed;

public:
    using entry = typename store_type::entry;

    explicit tended_store(pool::bounded limits = {}, reuse_order reuse = reuse_order::oldest_first)
        : store_{reuse},
          bounds_{limits.max_idle, limits.max_idle_per_key} {}
    ~tended_store() { clear(); }

    /// The new connection is lent.
    entry& open(std::string_view key, Time earliest = never<Time>()) {
        entry& fresh = store_.make_entry(hashed{key}, earliest);
        fresh.construct([this] { return net.dial(); });
        store_.mark_lent(fresh);
        return fresh;
    }

    entry* lend(std::string_view key, Time now = {}) {
        entry* found = nullptr;
        retired = closed_after([&](entries& leaving) { found = store_.lend(hashed{key}, now, leaving); });
        return found;
    }

    /// The number of a connection that was idle and is closed now, or 0.
    int take(std::string_view key, Time now = {}) {
        entry* found = lend(key, now);
        return found != nullptr ? remove(*found).front() : 0;
    }

    // These return what was retired.
    ids give_back(entry& e, Time due = never<Time>(), Time now = {}) {
        return closed_after([&](entries& leaving) { store_.give_back(e, bounds_, due, now, leaving); });
    }
    ids put(std::string_view key, Time due = never<Time>(), Time now = {}) {
        return give_back(open(key, due), due, now);
    }
    ids refuse(entry& e) {
        return closed_after([&](entries& leaving) { store_.refuse(e, leaving); });
    }
    ids remove(entry& e) {
        return closed_after([&](entries& leaving) { store_.retire_uncounted(e, leaving); });
    }
    ids clear(std::size_t most = pool::no_limit) {
        return closed_after([&](entries& leaving) { store_.clear(most, leaving); });
    }
    ids clear(std::string_view key, std::size_t most = pool::no_limit) {
        return closed_after([&](entries& leaving) { store_.clear(hashed{key}, most, leaving); });
    }
    ids expire(Time now) {
        CHECK(sweep(now, pool::no_limit));
        return retired;
    }
    template <class PerKey>
    ids trim(std::size_t total, const PerKey& per_key) {
        return closed_after([&](entries& leaving) { store_.trim(total, per_key, leaving); });
    }

    /// Whether that was all.
    bool sweep(Time now, std::size_t most) {
        bool all = false;
        retired = closed_after([&](entries& leaving) { all = store_.expire(now, most, leaving); });
        return all;
    }

    auto next_expiry(std::size_t most = pool::no_limit) { return store_.next_expiry(most); }

    const pool::stats& stats() const { return store_.stats(); }
    pool::key_stats stats(std::string_view key) const { return store_.stats(hashed{key}); }

    fake::network net;
    ids retired;  ///< by the last look-up or sweep

private:
    ids closed_after(const auto& step) {
        entries leaving;
        step(leaving);
        ids all;
        for (entry& each : leaving) {
            all.push_back(each.conn().id());
            if (!each.conn().closed()) each.conn().close();
            each.destroy();
        }
        store_.erase_closed(leaving, 0);
        return all;
    }

    store_type store_;
    typename store_type::idle_bounds bounds_;
};

}  // namespace

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

TEST_CASE_TEMPLATE("entry_store: a removed connection is forgotten [C1]", Time, untimed, timed) {
    tended_store<Time> store;
    CHECK(store.remove(store.open("a")) == ids{1});
    CHECK(store.take("a") == 0);
    CHECK(store.clear() == ids{});
    CHECK(store.stats().lent == 0);
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

TEST_CASE_TEMPLATE("entry_store: what is put while all of its key are lent joins them", Time, untimed, timed) {
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

TEST_CASE_TEMPLATE("entry_store: there is nothing of an unknown key", Time, untimed, timed) {
    tended_store<Time> store;
    store.put("a");
    CHECK(store.stats("b") == pool::key_stats{});
    CHECK(store.clear("b") == ids{});
    CHECK(store.stats().keys == 1);
}

TEST_CASE_TEMPLATE("entry_store: never more than the bound are idle [C2]", Time, untimed, timed) {
    tended_store<Time> store{{.max_idle = 2}};
    for (const auto* key : {"a", "b", "c", "a", "a", "b", "d"}) {
        store.put(key);
        CHECK(store.stats().idle <= 2);
    }
    CHECK(store.stats().idle == 2);
    CHECK(store.stats().evicted == 5);
}

TEST_CASE_TEMPLATE("entry_store: never more than the bound of a key are idle [C2]", Time, untimed, timed) {
    tended_store<Time> store{{.max_idle_per_key = 2}};
    for (const auto* key : {"a", "a", "b", "a", "b", "a", "b"}) {
        store.put(key);
        CHECK(store.stats(key).idle <= 2);
    }
    CHECK(store.stats("a").idle == 2);
    CHECK(store.stats("b").idle == 2);
    CHECK(store.stats().evicted == 3);
}

TEST_CASE_TEMPLATE("entry_store: what is lent counts toward no bound [C2]", Time, untimed, timed) {
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

TEST_CASE_TEMPLATE("entry_store: within a key the one given back first is lent first [C4]", Time, untimed, timed) {
    tended_store<Time> store;
    std::array lent{&store.open("a"), &store.open("a"), &store.open("a")};
    for (const auto i : {1U, 2U, 0U}) store.give_back(*lent[i]);
    CHECK(store.take("a") == 2);
    CHECK(store.take("a") == 3);
    CHECK(store.take("a") == 1);
}

TEST_CASE_TEMPLATE("entry_store: by a setting the one given back last is lent first [C4]", Time, untimed, timed) {
    tended_store<Time> store{{}, reuse_order::newest_first};
    std::array lent{&store.open("a"), &store.open("a"), &store.open("a")};
    for (const auto i : {1U, 2U, 0U}) store.give_back(*lent[i]);
    CHECK(store.take("a") == 1);
    CHECK(store.take("a") == 3);
    CHECK(store.take("a") == 2);
}

TEST_CASE_TEMPLATE("entry_store: the oldest goes for capacity, whichever is lent first [C3]", Time, untimed, timed) {
    tended_store<Time> store{{.max_idle_per_key = 2}, reuse_order::newest_first};
    store.put("a");
    store.put("a");
    CHECK(store.put("a") == ids{1});
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

TEST_CASE_TEMPLATE("entry_store: all blocked is a miss [C5]", Time, untimed, timed) {
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

TEST_CASE_TEMPLATE(
    "entry_store: closed connections met on the way are retired in that step [C6]", Time, untimed, timed) {
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

TEST_CASE_TEMPLATE("entry_store: all closed is a miss that leaves nothing [C6]", Time, untimed, timed) {
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
    "entry_store: closed and blocked ones do not hide a live one behind them [C6]", Time, untimed, timed) {
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

TEST_CASE_TEMPLATE("entry_store: a refused connection is a put that is not kept [C6]", Time, untimed, timed) {
    tended_store<Time> store;
    CHECK(store.refuse(store.open("a")) == ids{1});
    CHECK(store.stats().puts == 1);
    CHECK(store.stats().refused == 1);
    CHECK(store.stats().lent == 0);
    CHECK(store.stats().keys == 0);
}

TEST_CASE("entry_store: a connection is not lent at its deadline, and is just before [C7]") {
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

TEST_CASE("entry_store: a sweep retires what is due, and nothing before [C7]") {
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

TEST_CASE("entry_store: equal deadlines are due together [C7]") {
    tended_store<timed> store;
    for (const auto* key : {"a", "b", "a", "b"}) store.put(key, at(10));
    CHECK(store.expire(at(9)) == ids{});
    CHECK(store.expire(at(10)).size() == 4);
    CHECK(store.stats().keys == 0);
}

TEST_CASE("entry_store: what is given back at its deadline is not kept [C7]") {
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

TEST_CASE("entry_store: idle age starts at give-back [C7]") {
    tended_store<timed> store;
    store.put("a", at(10));
    store.give_back(*store.lend("a", at(9)), at(19), at(9));
    CHECK(store.expire(at(18)) == ids{});
    CHECK(store.expire(at(19)) == ids{1});
}

TEST_CASE("entry_store: max() is never, even then [C18]") {
    tended_store<timed> store;
    store.put("a", timed::max(), timed::max());
    CHECK(store.stats().idle == 1);
    CHECK(store.expire(timed::max()) == ids{});
    CHECK(store.take("a", timed::max()) == 1);
}

TEST_CASE("entry_store: the next deadline is the earliest of the idle ones") {
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

TEST_CASE("entry_store: a deadline may come earlier than it was announced") {
    tended_store<timed> store;
    store.put("a", at(20));
    store.give_back(store.open("b", at(100)), at(10));
    CHECK(store.next_expiry() == at(10));
    CHECK(store.expire(at(10)) == ids{2});
}

TEST_CASE("entry_store: a deadline asked for while its connection is lent does not stick") {
    tended_store<timed> store;
    store.put("a", at(10));
    auto* lent = store.lend("a");
    REQUIRE(lent != nullptr);
    CHECK(store.next_expiry() == timed::max());
    store.give_back(*lent, at(20));
    CHECK(store.next_expiry() == at(20));
    CHECK(store.expire(at(20)) == ids{1});
}

TEST_CASE("entry_store: a clock that jumps back expires each at its own deadline [C18]") {
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

TEST_CASE("entry_store: a sweep finds what is due before the next in the index once it is in order [C7]") {
    tended_store<timed> store;
    store.put("a", at(10));
    store.put("a", at(30));
    store.give_back(*store.lend("a"), at(20));
    CHECK(store.expire(at(40)) == ids{1, 2});
}

TEST_CASE("entry_store: a sweep finds what is due behind deadlines that have moved [C7]") {
    tended_store<timed> store;
    for (const int due : {10, 11, 12, 13}) store.put("a", at(due));
    for (const int due : {40, 30, 20}) store.give_back(*store.lend("a"), at(due));
    CHECK(store.expire(at(13)) == ids{4});
    CHECK(store.next_expiry() == at(20));
    CHECK(store.expire(at(30)) == ids{3, 2});
    CHECK(store.expire(at(40)) == ids{1});
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

TEST_CASE_TEMPLATE("entry_store: trimming evicts the oldest beyond the bound of each key [C3]", Time, untimed, timed) {
    tended_store<Time> store;
    for (const auto* key : {"a", "b", "a", "c", "a", "b"}) store.put(key);
    const auto trimmed = store.trim(pool::no_limit, [](const auto& e) { return e.key() == "b" ? 2U : 1U; });
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

namespace {

/// What was done to the keys and the connections of a test, and what they are to fail at.
struct ledger {
    int hashes = 0;
    int comparisons = 0;
    int keys = 0;       ///< that are alive
    int questions = 0;  ///< to connections
    bool hash_throws = false;
    bool comparison_throws = false;
    bool copy_throws = false;
    bool all_dead = false;
};

struct failure : std::runtime_error {
    using runtime_error::runtime_error;
};

struct watched_key {
    watched_key(int number, ledger& log) : value{number}, book{&log} { ++book->keys; }
    watched_key(const watched_key& other) : value{other.value}, book{other.book} {
        if (book->copy_throws) throw failure{"copy"};
        ++book->keys;
    }
    watched_key& operator=(const watched_key&) = delete;
    ~watched_key() { --book->keys; }

    int value;
    ledger* book;
};

/// Stays where it was made.
struct watched_connection {
    explicit watched_connection(ledger& log) : book{&log} {}
    watched_connection(const watched_connection&) = delete;
    watched_connection& operator=(const watched_connection&) = delete;

    void close() {}
    bool closed() const noexcept { return ++book->questions, book->all_dead; }
    bool unblocked() const noexcept { return ++book->questions, true; }

    ledger* book;
};

}  // namespace

template <>
struct pool::key_traits<watched_key> {
    using view = const watched_key&;

    static std::size_t hash(view key) {
        if (key.book->hash_throws) throw failure{"hash"};
        ++key.book->hashes;
        return 0;  // all collide
    }
    static bool equal(view a, view b) {
        if (a.book->comparison_throws) throw failure{"comparison"};
        ++a.book->comparisons;
        return a.value == b.value;
    }
};

namespace {

using hashed = pool::core::hashed_key<watched_key>;

/// Counts the comparisons of all its instances.
struct counted_time {
    static inline int comparisons = 0;
    static constexpr counted_time max() { return {std::numeric_limits<int>::max()}; }

    friend bool operator==(counted_time a, counted_time b) { return ++comparisons, a.tick == b.tick; }
    friend auto operator<=>(counted_time a, counted_time b) { return ++comparisons, a.tick <=> b.tick; }

    int tick = 0;
};

/// A store that writes all that it does to keys and connections into a ledger.
template <class Time>
class watched_store : public pool::core::entry_store<watched_key, watched_connection, Time> {
    using base = pool::core::entry_store<watched_key, watched_connection, Time>;

public:
    using typename base::entries;
    using typename base::entry;

    explicit watched_store(ledger& book, reuse_order reuse = reuse_order::oldest_first) : base{reuse}, book_{book} {}
    ~watched_store() { clear(); }

    watched_key key(int value) { return {value, book_}; }

    /// The new connection is lent.
    entry& open(const watched_key& key, Time earliest = never<Time>()) {
        entry& fresh = this->make_entry(hashed{key}, earliest);
        fresh.construct([this] { return watched_connection{book_}; });
        this->mark_lent(fresh);
        return fresh;
    }
    entry& open(int value, Time earliest = never<Time>()) { return open(key(value), earliest); }

    entry* find(int value) {
        entries retired;
        return this->lend(hashed{key(value)}, {}, retired);
    }

    // These return how many were retired, which have left then.
    std::size_t give_back(entry& e, std::size_t limit, Time due) {
        return retired_by([&](entries& retired) { base::give_back(e, {limit, limit}, due, {}, retired); });
    }
    std::size_t discard(entry& e) {
        return retired_by([&](entries& retired) { base::retire_uncounted(e, retired); });
    }
    std::size_t clear() {
        return retired_by([&](entries& retired) { base::clear(pool::no_limit, retired); });
    }
    std::size_t clear(const hashed& wanted) {
        return retired_by([&](entries& retired) { base::clear(wanted, pool::no_limit, retired); });
    }
    std::size_t expire(Time now) {
        return retired_by([&](entries& retired) { base::expire(now, pool::no_limit, retired); });
    }
    std::size_t trim(std::size_t total, const auto& per_key) {
        return retired_by([&](entries& retired) { base::trim(total, per_key, retired); });
    }

    void keep(entry& e, Time due = never<Time>()) { give_back(e, pool::no_limit, due); }

    void fill(int count, Time due = never<Time>()) {
        for (int i = 0; i != count; ++i) keep(open(0, due), due);
    }

private:
    std::size_t retired_by(const auto& step) {
        entries retired;
        step(retired);
        const std::size_t count = retired.size();
        for (entry& each : retired) each.destroy();
        this->erase_closed(retired, 0);
        return count;
    }

    ledger& book_;
};

constexpr int many = 10'000;

}  // namespace

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
    static_cast<pool::core::entry_store<watched_key, watched_connection, Time>&>(store).retire_uncounted(lent, leaving);
    CHECK(&leaving.front().conn() == conn);
    leaving.front().destroy();
    store.erase_closed(leaving, 0);
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

TEST_CASE("entry_store: to re-key a deadline does not search through the others of its key [C10]") {
    // No foreign code runs in such a search, so there is nothing to count. With it, this takes hours; without, a moment.
    struct idle_connection {
        static bool closed() noexcept { return true; }
        static bool unblocked() noexcept { return true; }
    };
    using store_type = pool::core::entry_store<int, idle_connection, timed>;
    store_type store;
    constexpr std::size_t count = 300'000;
    const auto at = [](int time) { return timed{timed::duration{time}}; };
    std::vector<store_type::entry*> lent;
    for (std::size_t i = 0; i != count; ++i) {
        lent.push_back(&store.make_entry(pool::core::hashed_key<int>{1}, at(10)));
        lent.back()->construct([] { return idle_connection{}; });
        store.mark_lent(*lent.back());
    }
    store_type::entries retired;
    for (auto* each : lent) store.give_back(*each, {pool::no_limit, pool::no_limit}, at(20), timed{}, retired);
    store.expire(at(10), pool::no_limit, retired);
    CHECK(retired.empty());
    store.expire(at(20), pool::no_limit, retired);
    CHECK(retired.size() == count);
    store.erase_closed(retired, 0);
}

TEST_CASE_TEMPLATE("entry_store: evicting, clearing and trimming ask no connection [C10]", Time, untimed, timed) {
    ledger book;
    watched_store<Time> store{book};
    store.fill(many);
    book = {.keys = book.keys};
    auto& lent = store.open(0);
    CHECK(store.give_back(lent, many, never<Time>()) == 1);
    int bounds_asked = 0;
    store.trim(many / 2, [&](const auto&) { return ++bounds_asked, pool::no_limit; });
    CHECK(bounds_asked == many);
    CHECK(store.clear() == many / 2);
    CHECK(book.questions == 0);
    CHECK(book.comparisons == 1);
}

TEST_CASE_TEMPLATE("entry_store: draining closed connections asks each once [C10]", Time, untimed, timed) {
    for (const auto reuse : {reuse_order::oldest_first, reuse_order::newest_first}) {
        ledger book;
        watched_store<Time> store{book, reuse};
        store.fill(many);
        book = {.keys = book.keys, .all_dead = true};
        typename watched_store<Time>::entries retired;
        CHECK(store.lend(hashed{store.key(0)}, {}, retired) == nullptr);
        CHECK(retired.size() == many);
        store.erase_closed(retired, 0);
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

TEST_CASE("entry_store: lending and giving back leave the index of deadlines alone [C10]") {
    ledger book;
    watched_store<counted_time> store{book};
    store.fill(many, {1});
    const int before = counted_time::comparisons;
    for (int i = 0; i != many; ++i) store.keep(*store.find(0), {2 + i});
    CHECK(counted_time::comparisons - before <= 6 * many);
}

TEST_CASE("entry_store: opening with ever later deadlines does not search for their place [C10]") {
    ledger book;
    watched_store<counted_time> store{book};
    store.fill(many, {1});
    const int before = counted_time::comparisons;
    for (int i = 0; i != many; ++i) store.keep(store.open(0, {2 + i}), {2 + i});
    CHECK(counted_time::comparisons - before <= 6 * many);
}

TEST_CASE("entry_store: a deadline is put in order once after it has changed [C10]") {
    ledger book;
    watched_store<counted_time> store{book};
    store.fill(many, {1});
    for (int i = 0; i != many; ++i) store.keep(*store.find(0), {2 + i});
    CHECK(store.next_expiry(pool::no_limit) == counted_time{2});
    const int before = counted_time::comparisons;
    CHECK(store.next_expiry(pool::no_limit) == counted_time{2});
    CHECK(store.expire({1}) == 0);
    CHECK(counted_time::comparisons - before <= 10);
}

TEST_CASE("entry_store: what the hash of a key throws is thrown by its look-up [C12]") {
    ledger book{.hash_throws = true};
    watched_store<untimed> store{book};
    CHECK_THROWS_AS(store.open(1), failure);
    CHECK(store.stats() == pool::stats{});
}

TEST_CASE_TEMPLATE(
    "entry_store: a reservation that throws leaves the store as it was [C12]", Time, untimed, timed) {
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

TEST_CASE_TEMPLATE("entry_store: a place that is abandoned leaves no trace [C17]", Time, untimed, timed) {
    ledger book;
    watched_store<Time> store{book};
    auto& fresh = store.make_entry(hashed{store.key(1)}, never<Time>());
    CHECK(book.keys == 1);
    CHECK(store.stats() == pool::stats{});
    CHECK(store.stats(hashed{store.key(1)}) == pool::key_stats{});
    store.erase_unopened(fresh);
    CHECK(book.keys == 0);
}

TEST_CASE_TEMPLATE("entry_store: what is opened, lent or being closed is in nobody's way", Time, untimed, timed) {
    ledger book;
    watched_store<Time> store{book};
    typename watched_store<Time>::entries leaving;
    static_cast<pool::core::entry_store<watched_key, watched_connection, Time>&>(store).retire_uncounted(store.open(1), leaving);
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

    leaving.front().destroy();
    store.erase_closed(leaving, 0);
    CHECK(store.stats().closing == 0);
    store.erase_unopened(opening);
    CHECK(book.keys == 0);
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

TEST_CASE_TEMPLATE("entry_store: a clear takes no more steps than it is allowed", Time, untimed, timed) {
    tended_store<Time> store;
    for (int i = 0; i != 3; ++i) store.put("a");
    CHECK(store.clear(2) == ids{1, 2});
    CHECK(store.clear("a", 0) == ids{});
    CHECK(store.clear("a", 2) == ids{3});
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

TEST_CASE("entry_store: the next deadline takes no more steps than it is allowed") {
    tended_store<timed> store;
    for (int i = 0; i != 3; ++i) store.put("a", at(10));
    for (int i = 0; i != 2; ++i) store.give_back(*store.lend("a"), at(30));
    CHECK(store.next_expiry(1) == std::nullopt);
    CHECK(store.next_expiry(0) == std::nullopt);
    CHECK(store.next_expiry(1) == at(10));
    CHECK(store.next_expiry(0) == at(10));
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
    CHECK_THROWS_AS(store.lend(wanted, {}, retired), failure);
    CHECK_THROWS_AS(store.clear(wanted), failure);
    CHECK_THROWS_AS(store.stats(wanted), failure);
    book.comparison_throws = false;

    CHECK(retired.empty());
    CHECK(store.stats() == before);
    CHECK(store.find(0) != nullptr);
}

TEST_CASE_TEMPLATE("entry_store: it may end with idle connections in it, which end with it", Time, untimed, timed) {
    ledger book;
    {
        pool::core::entry_store<watched_key, watched_connection, Time> store;
        for (int i = 0; i != 3; ++i) {
            auto& lent = store.make_entry(hashed{watched_key{0, book}}, never<Time>());
            lent.construct([&] { return watched_connection{book}; });
            store.mark_lent(lent);
            typename decltype(store)::entries retired;
            store.give_back(lent, {pool::no_limit, pool::no_limit}, never<Time>(), {}, retired);
            CHECK(retired.empty());
        }
    }
    CHECK(book.keys == 0);
}
