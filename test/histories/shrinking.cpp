// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <support/chance.hpp>
#include <support/choices.hpp>
#include <support/histories.hpp>
#include <support/in_child.hpp>
#include <support/shrink.hpp>

using namespace histories;

namespace {

/// Which operations there are that begin with this choice.
std::size_t count(const choice_groups& groups, choice first) {
    return static_cast<std::size_t>(std::count_if(groups.begin() + 1, groups.end(),
        [=](const std::vector<choice>& group) { return !group.empty() && group.front() == first; }));
}

/// The choices of so many operations, of three choices each.
choice_groups any_choices(std::size_t operations) {
    random_choices random{1};
    choice_groups all(1 + operations);
    for (auto& group : all)
        for (int i = 0; i != 3; ++i) group.push_back(static_cast<choice>(random.below(100)));
    return all;
}

/// A queue that loses an element: when there are five, and one is taken out.
class lossy_history : chance {
public:
    lossy_history(choice_source& from, teller& tell) : chance{from}, limit_{5 + below(3)}, tell_{tell} {}

    void run() {
        while (begin_operation()) {
            const std::size_t what = below(10);
            if (what < 7) {
                tell_("put ", below(1000));
                ++size_;
                ++model_;
            } else if (what < 9) {
                tell_("look");
            } else if (size_ != 0) {
                tell_("take");
                size_ -= size_ == limit_ ? 2 : 1;
                --model_;
            }
            if (size_ != model_) fail("differs: the size");
        }
    }

private:
    std::size_t size_ = 0;
    std::size_t model_ = 0;
    const std::size_t limit_;
    teller& tell_;
};

void run_lossy(choice_source& from, const std::function<bool()>&, teller& tell) { lossy_history{from, tell}.run(); }

}  // namespace

TEST_CASE("shrinker: leaves the one operation that fails, with the lowest choice") {
    shrinker shrinking{any_choices(1000), [](const choice_groups& groups) {
                           return std::any_of(groups.begin() + 1, groups.end(),
                               [](const std::vector<choice>& group) { return group.size() > 1 && group[1] >= 42; });
                       }};
    CHECK(shrinking.run() == choice_groups{{}, {0, 42}});
    CHECK(shrinking.tries() < 500);
}

TEST_CASE("shrinker: leaves operations that fail only together, in their order") {
    const auto fails = [](const choice_groups& groups) { return count(groups, 7) >= 2 && count(groups, 9) >= 1; };
    const choice_groups all = any_choices(2000);
    REQUIRE(fails(all));
    shrinker shrinking{all, fails};
    choice_groups shortest = shrinking.run();
    REQUIRE(shortest.size() == 4);
    std::sort(shortest.begin(), shortest.end());
    CHECK(shortest == choice_groups{{}, {7}, {7}, {9}});
}

TEST_CASE("shrinker: leaves out two operations of which neither can go alone") {
    // Each 1 opens what a 2 closes. It fails at a 3 with all closed.
    const auto fails = [](const choice_groups& groups) {
        return count(groups, 1) == count(groups, 2) && count(groups, 3) != 0;
    };
    shrinker shrinking{{{}, {1}, {5}, {2}, {1}, {3}, {2}}, fails};
    CHECK(shrinking.run() == choice_groups{{}, {3}});
}

TEST_CASE("shrinker: leaves out an operation for which another one does more, or for which a bound is lower") {
    const auto time = [](const choice_groups& groups) {
        choice all = 0;
        for (auto each = groups.begin() + 1; each != groups.end(); ++each)
            all += 1 + (each->empty() ? 0 : each->front());
        return all;
    };
    shrinker waiting{{{}, {}, {}, {2}, {}, {}}, [&](const choice_groups& groups) { return time(groups) == 7; }};
    CHECK(waiting.run() == choice_groups{{}, {6}});
    const auto reaches = [](const choice_groups& groups) {
        return groups.size() == 3 + (groups.front().empty() ? 0 : groups.front().front());
    };
    shrinker filling{{{3}, {}, {}, {}, {}, {}}, reaches};
    CHECK(filling.run() == choice_groups{{}, {}, {}});
}

TEST_CASE("shrinker: lowers the choices of the beginning, and keeps its group") {
    shrinker shrinking{any_choices(3), [](const choice_groups& groups) {
                           return std::accumulate(groups.front().begin(), groups.front().end(), choice{}) >= 10;
                       }};
    CHECK(shrinking.run() == choice_groups{{10}});
}

TEST_CASE("every_way: makes each sequence of choices once, and knows what it repeats") {
    every_way ways{2};
    std::vector<std::size_t> all, fresh;
    do {
        std::size_t number = 0;
        while (ways.begin_operation()) {
            number = 10 * number + ways.below(3);
            fresh.push_back(!ways.is_repeating());
        }
        all.push_back(number);
    } while (ways.next());
    CHECK(all == std::vector<std::size_t>{0, 1, 2, 10, 11, 12, 20, 21, 22});
    CHECK(std::accumulate(fresh.begin(), fresh.end(), std::size_t{0}) == 3 + 9);
}

TEST_CASE("listed_choices: what is missing is 0, and what is too large is lowered") {
    listed_choices from{{{5}, {7, 1}}};
    CHECK(from.below(4) == 3);
    CHECK(from.below(4) == 0);
    CHECK(from.begin_operation());
    CHECK(from.below(8) == 7);
    CHECK(from.below(8) == 1);
    CHECK(from.below(8) == 0);
    CHECK_FALSE(from.begin_operation());
}

TEST_CASE("in_child: whatever happens there, this process learns how it ended") {
    const child_end well = in_child([] { std::cout << "done" << std::flush; });
    CHECK(well.how == child_end::kind::well);
    CHECK(well.said == "done");
    CHECK(in_child([] { std::abort(); }).how == child_end::kind::badly);
    CHECK(in_child([] { std::_Exit(1); }).how == child_end::kind::badly);
    CHECK(in_child([] { std::raise(SIGALRM); }).how == child_end::kind::late);
    const child_end thrown = in_child([] { throw std::runtime_error{"no"}; });
    CHECK(thrown.how == child_end::kind::badly);
    CHECK(thrown.said.find("no") != std::string::npos);
}

TEST_CASE("histories: a random one that fails is shrunk, and told in words") {
    counts all;
    failure found;
    std::uint64_t seed = 0;
    while (!find_at_random(run_lossy, ++seed, 1000, all, found)) REQUIRE(seed < 100);
    INFO(found.text);
    CHECK(all.histories == seed);
    CHECK(found.operations_before > 6);
    CHECK(found.choices == choice_groups{{}, {}, {}, {}, {}, {}, {9}});
    CHECK(found.text.find("seed " + std::to_string(seed) + ", operation " + std::to_string(found.operations_before)) !=
          std::string::npos);
    CHECK(found.text.find("to 6 operations:\n    put 0\n    put 0\n    put 0\n    put 0\n    put 0\n    take\n"
                          "differs: the size\n") != std::string::npos);
}

TEST_CASE("histories: one that hangs is told in words, too") {
    const auto hangs = [](choice_source& from, const auto&, teller& tell) {
        chance its{from};
        while (its.begin_operation()) {
            const std::size_t what = its.below(4);
            tell("operation ", what);
            if (what == 2) std::raise(SIGALRM);
        }
    };
    counts all;
    failure found;
    CHECK(find_in_every_way(hangs, 2, all, found));
    CHECK(found.text.find("it took too long\nshrunk") != std::string::npos);
    CHECK(found.text.find("to 1 operations:\n    operation 2\n") != std::string::npos);
}

TEST_CASE("histories: all are run in every way, until one fails") {
    counts all;
    failure found;
    CHECK_FALSE(find_in_every_way(run_lossy, 1, all, found));
    CHECK(all.histories == 3 * (7 * 1000 + 2 + 1));
    CHECK(all.operations == 3 * (7 * 1000 + 2));
}
