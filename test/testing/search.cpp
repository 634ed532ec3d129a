// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <pool/testing/kernel/search.hpp>
#include <support/choices.hpp>

// The search alone. Two threads make steps; each step touches one object.

using pool::testing::kernel::option;
using pool::testing::kernel::search;
using pool::testing::kernel::way;

namespace {

/// What the threads do: an object for each step.
using program = std::vector<std::vector<int>>;

struct result {
    std::vector<std::string> orders;  ///< of the runs that went to their end: a digit for each step's thread
    int redundant = 0;
};

/// Runs one schedule, as an exploration does.
std::string run(search& through, const program& threads) {
    std::vector<std::size_t> done(threads.size(), 0);
    std::string order;
    int last = -1;
    through.begin();
    for (;;) {
        std::vector<option> options;
        const auto is_left = [&](int thread) {
            return done[std::size_t(thread)] < threads[std::size_t(thread)].size();
        };
        const int running = last != -1 && is_left(last) ? last : -1;
        if (running != -1) options.push_back({running, way::run});
        for (int i = 0; i < static_cast<int>(threads.size()); ++i) {
            if (i != running && is_left(i)) options.push_back({i, way::run});
        }
        if (options.empty()) return order;
        const std::size_t which = through.choose(options, running);
        REQUIRE(which != search::none);
        last = options[which].thread;
        const int object = threads[std::size_t(last)][done[std::size_t(last)]++];
        through.touch({0, std::uint64_t{1} << object});
        order += static_cast<char>('0' + last);
    }
}

result run_all(search through, const program& threads) {
    result all;
    do {
        const std::string order = run(through, threads);
        REQUIRE(through.has_repeated());
        if (through.is_redundant()) ++all.redundant;
        else all.orders.push_back(order);
    } while (through.next());
    return all;
}

std::size_t different(const std::vector<std::string>& orders) {
    return std::set<std::string>(orders.begin(), orders.end()).size();
}

}  // namespace

TEST_CASE("search: goes through all schedules, each once") {
    const result two = run_all(search{}, {{0, 0, 0}, {0, 0, 0}});
    CHECK(two.orders.size() == 20);  // 6! / (3! 3!)
    CHECK(different(two.orders) == 20);
    const result three = run_all(search{}, {{0, 0}, {0, 0}, {0}});
    CHECK(three.orders.size() == 30);  // 5! / (2! 2! 1!)
    CHECK(different(three.orders) == 30);
}

TEST_CASE("search: stops at most as many threads that could go on as it may") {
    const program threads{{0, 0, 0}, {0, 0, 0}};
    CHECK(run_all(search{0}, threads).orders == std::vector<std::string>{"000111", "111000"});
    const result one = run_all(search{1}, threads);
    CHECK(one.orders.size() == 6);  // after one or two steps of the first, or of the second
    CHECK(different(one.orders) == 6);
    CHECK(run_all(search{5}, threads).orders.size() == 20);
}

TEST_CASE("search: says whether the bound has left out schedules") {
    search little{1};
    search enough{5};
    const program threads{{0, 0, 0}, {0, 0, 0}};
    do run(little, threads);
    while (little.next());
    do run(enough, threads);
    while (enough.next());
    CHECK(little.was_bounded());
    CHECK_FALSE(enough.was_bounded());
}

TEST_CASE("search: leaves out schedules that differ only in the order of steps with nothing in common") {
    const result apart = run_all(search{search::any_number, true}, {{0, 0, 0}, {1, 1, 1}});
    CHECK(apart.orders.size() == 1);
    const result once = run_all(search{search::any_number, true}, {{1, 0, 2}, {3, 0, 4}});
    CHECK(once.orders.size() == 2);  // one of the two touches 0 first
    const result same = run_all(search{search::any_number, true}, {{0, 0, 0}, {0, 0, 0}});
    CHECK(same.orders.size() == 20);
    CHECK(same.redundant == 0);
}

TEST_CASE("search: leaves out no order of the steps that have something in common") {
    // Of each object, the order in which the threads touch it: all such orders have to be met.
    const program threads{{0, 1, 0}, {1, 2, 0}, {2, 0}};
    const auto traces = [&](const std::vector<std::string>& orders) {
        std::set<std::string> all;
        for (const std::string& order : orders) {
            std::vector<std::size_t> done(threads.size(), 0);
            std::vector<std::string> of_object(3);
            for (const char each : order) {
                const auto thread = static_cast<std::size_t>(each - '0');
                of_object[static_cast<std::size_t>(threads[thread][done[thread]++])] += each;
            }
            all.insert(of_object[0] + "," + of_object[1] + "," + of_object[2]);
        }
        return all;
    };
    const result every = run_all(search{}, threads);
    const result some = run_all(search{search::any_number, true}, threads);
    CHECK(traces(some.orders) == traces(every.orders));
    CHECK(some.orders.size() == traces(every.orders).size());
    CHECK(every.orders.size() == 560);  // 8! / (3! 3! 2!)
}

TEST_CASE("search: leaves out no order of the steps that have something in common, in random programs") {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        random_choices by{seed};
        program threads(3);
        for (std::size_t left = 8; left != 0; --left) threads[by.below(3)].push_back(static_cast<int>(by.below(4)));
        // Of each object, the order in which the threads touch it: all such orders have to be met.
        const auto traces = [&](const std::vector<std::string>& orders) {
            std::set<std::string> all;
            for (const std::string& order : orders) {
                std::vector<std::size_t> done(threads.size(), 0);
                std::vector<std::string> of_object(4);
                for (const char each : order) {
                    const auto thread = static_cast<std::size_t>(each - '0');
                    of_object[static_cast<std::size_t>(threads[thread][done[thread]++])] += each;
                }
                all.insert(of_object[0] + "," + of_object[1] + "," + of_object[2] + "," + of_object[3]);
            }
            return all;
        };
        CAPTURE(seed);
        const result every = run_all(search{}, threads);
        const result some = run_all(search{search::any_number, true}, threads);
        CHECK(traces(some.orders) == traces(every.orders));
        CHECK(some.orders.size() == traces(every.orders).size());
    }
}

TEST_CASE("search: a replay repeats its run, and takes the first options after it") {
    const program threads{{0, 0, 0}, {0, 0, 0}};
    search first;
    std::vector<std::string> letters;
    std::vector<std::string> orders;
    do {
        orders.push_back(run(first, threads));
        letters.push_back(first.letters());
    } while (first.next());
    for (std::size_t i = 0; i != orders.size(); ++i) {
        search again{letters[i]};
        if (!letters[i].empty()) CHECK(run(again, threads) == orders[i]);
    }
    search begun{std::string{"B"}};
    CHECK(run(begun, threads) == "111000");
}

TEST_CASE("search: notices a test that does not do the same in each run") {
    search all;
    run(all, {{0, 0}, {0, 0}});
    REQUIRE(all.next());
    all.begin();
    CHECK(all.choose({{0, way::run}, {1, way::run}}, -1) == 0);
    CHECK(all.choose({{0, way::run}, {2, way::run}}, 0) == search::none);

    search elsewhere;
    run(elsewhere, {{0, 0}, {0, 0}});
    REQUIRE(elsewhere.next());
    elsewhere.begin();
    CHECK(elsewhere.choose({{0, way::run}, {1, way::run}}, -1, 1) == search::none);

    search other;
    run(other, {{0, 0}, {0, 0}});
    REQUIRE(other.next());
    run(other, {{0}});
    CHECK_FALSE(other.has_repeated());
}

TEST_CASE("search: a replay of another test has no such option") {
    search wrong{std::string{"C"}};
    wrong.begin();
    CHECK(wrong.choose({{0, way::run}, {1, way::run}}, -1) == search::none);
}

TEST_CASE("search: what a redundant run does after its last choice is no part of that choice") {
    // Thread 1 keeps thread 2 from its begin until thread 0 has made its step; thread 3 comes last.
    const program threads{{4}, {2, 2}, {2, 4}, {3}};
    search through{search::any_number, true};
    std::set<std::string> orders;
    do {
        std::vector<std::size_t> done(threads.size(), 0);
        std::string order;
        through.begin();
        for (;;) {
            std::vector<option> options;
            if (done[0] == 0) options.push_back({0, way::run});
            if (done[1] == 0 || (done[1] == 1 && done[0] == 1)) options.push_back({1, way::run});
            if ((done[2] == 0 && done[1] != 1) || done[2] == 1) options.push_back({2, way::run});
            if (options.empty() && done[3] == 0) options.push_back({3, way::run});
            if (options.empty()) break;
            const auto next = static_cast<std::size_t>(options[through.choose(options, -1)].thread);
            through.touch({0, std::uint64_t{1} << threads[next][done[next]++]});
            order += static_cast<char>('0' + next);
        }
        if (!through.is_redundant()) orders.insert(order);
    } while (through.next());
    const auto is_thread_2_first = [](const std::string& order) {  // with each of its steps, where that matters
        return order.find('2') < order.find('1') && order.rfind('2') < order.find('0');
    };
    CHECK(std::any_of(orders.begin(), orders.end(), is_thread_2_first));
}
