// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <pool/core/entry_store.hpp>
#include <pool/policies/capacity.hpp>

#include <support/fake.hpp>
#include <support/store_times.hpp>

// Which entries of a store an invalidation outdates, and that more of them can be counted than a byte holds.

namespace {

using outdated_store = pool::core::entry_store<std::string, fake::connection, stores::parts_of<stores::untimed>>;

/// A store, and its invalidations.
struct generation_fixture {
    using entry = outdated_store::entry;
    using hashed = outdated_store::hashed;

    ~generation_fixture() {
        store.clear(pool::retirement::cleared, pool::no_limit, retired);
        erase_retired();
    }

    /// A connection begins to be opened.
    entry& begin(std::string_view key) { return store.make_entry(hashed{key}, {}); }

    /// It is open, and lent.
    entry& end(entry& fresh) {
        fresh.construct([this] { return net.dial(); });
        store.mark_lent(fresh, {});
        return fresh;
    }
    entry& lent(std::string_view key) { return end(begin(key)); }

    /// It is idle.
    entry& idle(std::string_view key) {
        entry& fresh = lent(key);
        store.give_back(fresh, {pool::no_limit, pool::no_limit}, {}, {}, retired);
        return fresh;
    }

    entry* lend(std::string_view key) {
        auto* const of = store.find(hashed{key});
        std::size_t most = pool::no_limit;
        return of != nullptr ? store.lend(*of, {}, most, retired) : nullptr;
    }

    void remove(entry& e) {
        store.retire_uncounted(e, pool::retirement::taken, retired);
        erase_retired();
    }

    void erase_retired() {
        while (!retired.empty()) {
            entry& next = retired.front();
            retired.pop_front();
            next.conn().close();
            next.destroy();
            store.erase_closed(next, {});
        }
    }

    void invalidate(std::string_view key) { store.invalidate(hashed{key}); }

    fake::network net;
    outdated_store store;
    outdated_store::entries retired;
};

}  // namespace

TEST_CASE(
    "generations: an invalidation outdates all that is open, or being opened, and nothing that comes later [C24]") {
    generation_fixture f;
    auto& opening = f.begin("a");
    auto& lent = f.lent("b");
    auto& idle = f.idle("a");
    CHECK_FALSE(f.store.is_outdated(opening));
    f.store.invalidate();
    auto& later = f.lent("a");
    for (const auto* each : {&opening, &lent, &idle}) CHECK(f.store.is_outdated(*each));
    CHECK_FALSE(f.store.is_outdated(later));
    f.end(opening);
    CHECK(f.store.is_outdated(opening));
    for (auto* each : {&opening, &lent, &idle, &later}) f.remove(*each);
    CHECK_FALSE(f.store.is_outdated(f.idle("b")));
}

TEST_CASE("generations: an invalidation of a key leaves the others as they are [C24]") {
    generation_fixture f;
    auto& a = f.lent("a");
    auto& b = f.lent("b");
    f.invalidate("c");  // of which there is nothing
    CHECK_FALSE(f.store.is_outdated(a));
    f.invalidate("a");
    CHECK(f.store.is_outdated(a));
    CHECK_FALSE(f.store.is_outdated(b));
    auto& second = f.lent("a");
    f.invalidate("b");
    CHECK(f.store.is_outdated(b));
    CHECK_FALSE(f.store.is_outdated(second));
    for (auto* each : {&a, &b, &second}) f.remove(*each);
}

TEST_CASE("generations: an entry whose dial begins anew is of the generation of that [C24]") {
    generation_fixture f;
    auto& opening = f.begin("a");
    SUBCASE("all") { f.store.invalidate(); }
    SUBCASE("of its key") { f.invalidate("a"); }
    CHECK(f.store.is_outdated(opening));
    f.store.renew(opening);
    CHECK_FALSE(f.store.is_outdated(opening));
    f.store.erase_unopened(opening);
}

TEST_CASE("generations: a look-up retires the outdated entries that it meets, and lends a valid one [C24]") {
    generation_fixture f;
    f.idle("a");
    f.idle("a");
    f.store.invalidate();
    auto& valid = f.idle("a");
    CHECK(f.lend("a") == &valid);
    CHECK(f.retired.size() == 2);
    CHECK(f.store.stats().invalidated == 2);
    CHECK(f.lend("a") == nullptr);
    f.erase_retired();
    f.remove(valid);
}

TEST_CASE("generations: what is outdated is retired in steps, and what is valid is kept [C10, C24]") {
    generation_fixture f;
    for (int i = 0; i != 3; ++i) f.idle(i == 1 ? "b" : "a");
    SUBCASE("all") {
        f.store.invalidate();
        f.idle("a");
        CHECK_FALSE(f.store.clear_outdated(2, f.retired));
        CHECK(f.retired.size() == 2);
        CHECK(f.store.clear_outdated(2, f.retired));
        CHECK(f.retired.size() == 3);
        CHECK(f.store.stats().invalidated == 3);
    }
    SUBCASE("exactly one batch") {
        f.store.invalidate();
        CHECK(f.store.clear_outdated(3, f.retired));
        CHECK(f.retired.size() == 3);
    }
    SUBCASE("of a key") {
        const generation_fixture::hashed key{"a"};
        f.invalidate("a");
        f.idle("a");
        CHECK_FALSE(f.store.clear_outdated(key, 1, f.retired));
        CHECK(f.retired.size() == 1);
        CHECK(f.store.clear_outdated(key, 1, f.retired));
        CHECK(f.retired.size() == 2);
        CHECK(f.store.stats(generation_fixture::hashed{"b"}).idle == 1);
        CHECK(f.store.clear_outdated(generation_fixture::hashed{"c"}, 0, f.retired));
    }
    CHECK(f.store.stats(generation_fixture::hashed{"a"}).idle <= 1);
    f.erase_retired();
}

TEST_CASE("generations: they are counted anew after the last, and nothing else changes [C24]") {
    // Whatever the number of invalidations before, those that follow outdate the same.
    for (int before = 245; before != 265; ++before) {
        CAPTURE(before);
        generation_fixture f;
        auto& oldest = f.begin("a");
        for (int i = 0; i != before; ++i) f.store.invalidate();
        auto& outdated = f.lent("a");
        auto& of_key = f.lent("b");
        auto& of_other = f.lent("c");
        f.invalidate("b");
        auto& valid = f.lent("b");
        f.invalidate("a");
        CHECK(f.store.is_outdated(oldest));
        CHECK(f.store.is_outdated(outdated));
        CHECK(f.store.is_outdated(of_key));
        CHECK_FALSE(f.store.is_outdated(valid));
        CHECK_FALSE(f.store.is_outdated(of_other));
        auto& other_key = f.lent("d");
        for (int i = 0; i != 20; ++i) f.invalidate("d");
        f.store.renew(oldest);
        auto& fresh = f.lent("a");
        CHECK_FALSE(f.store.is_outdated(oldest));
        CHECK_FALSE(f.store.is_outdated(fresh));
        CHECK_FALSE(f.store.is_outdated(valid));
        f.store.invalidate();
        for (auto* each : {&oldest, &valid, &of_other, &fresh}) CHECK(f.store.is_outdated(*each));
        f.end(oldest);
        for (auto* each : {&oldest, &outdated, &of_key, &of_other, &valid, &fresh, &other_key}) f.remove(*each);
    }
}

TEST_CASE("generations: while they are counted anew, what was outdated stays so, and what was valid, too [C24]") {
    generation_fixture f;
    auto& opening = f.begin("a");
    auto& a = f.lent("a");
    auto& other = f.lent("b");
    f.invalidate("a");
    for (int i = 0; i != 600; ++i) {
        auto& passing = f.lent("c");
        f.invalidate("c");
        CHECK(f.store.is_outdated(passing));
        CHECK(f.store.is_outdated(opening));
        CHECK(f.store.is_outdated(a));
        CHECK_FALSE(f.store.is_outdated(other));
        f.remove(passing);
    }
    f.end(opening);
    for (auto* each : {&opening, &a, &other}) f.remove(*each);
}

TEST_CASE("generations: a key that requests wait for, without entries, is not outdated by an old count [C24]") {
    for (const int later : {0, 1, 20}) {
        CAPTURE(later);
        generation_fixture f;
        auto& first = f.lent("a");
        const outdated_store::kept_group kept{f.store, generation_fixture::hashed{"a"}};
        const auto lent_of_it = [&]() -> auto& { return f.end(f.store.make_entry(*kept, {})); };
        for (int i = 0; i != 254; ++i) f.invalidate("a");
        f.remove(first);
        auto& other = f.lent("b");
        for (int i = 0; i <= later; ++i) f.store.invalidate();  // the count begins anew
        auto& fresh = lent_of_it();
        CHECK_FALSE(f.store.is_outdated(fresh));
        f.store.invalidate();
        CHECK(f.store.is_outdated(fresh));
        auto& next = lent_of_it();
        CHECK_FALSE(f.store.is_outdated(next));
        f.invalidate("a");
        CHECK(f.store.is_outdated(next));
        for (auto* each : {&fresh, &next, &other}) f.remove(*each);
    }
}
