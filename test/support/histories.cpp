// SPDX-License-Identifier: BSL-1.0
#include <support/histories.hpp>

#include <chrono>
#include <limits>
#include <sstream>
#include <utility>

#include <doctest/doctest.h>

#include <support/in_child.hpp>
#include <support/shrink.hpp>

namespace histories {

namespace {

/// What a child process has done so far, in shared memory: its end cannot take it away.
struct progress {
    static constexpr std::size_t most = 4'000'000;
    static constexpr choice operation = std::numeric_limits<choice>::max();  ///< where one begins

    counts all;
    std::size_t size;  ///< of the history that runs now
    choice choices[most];

    void add(choice made) {
        if (size != most) choices[size++] = made;
    }
    choice_groups groups() const {
        choice_groups all_groups(1);
        for (std::size_t at = 0; at != size; ++at) {
            if (choices[at] == operation) all_groups.emplace_back();
            else all_groups.back().push_back(choices[at]);
        }
        return all_groups;
    }
};

/// Records the choices of another source.
class recorded final : public choice_source {
public:
    recorded(choice_source& from, progress& to) : from_{from}, to_{to} { to_.size = 0; }

    bool has_operation() const override { return from_.has_operation(); }
    std::size_t below(std::size_t end) override {
        const std::size_t made = from_.below(end);
        to_.add(static_cast<choice>(made));
        return made;
    }

private:
    void next_operation() override {
        from_.begin_operation();
        to_.add(progress::operation);
    }

    choice_source& from_;
    progress& to_;
};

/// For one history, or a few short ones. None of them takes so long, unless it hangs.
constexpr std::chrono::seconds a_minute{60};

bool always() { return true; }

child_end run_listed(const history& run, const choice_groups& choices, bool is_heard) {
    return in_child([&] {
        child_has(std::chrono::seconds{2});
        listed_choices from{choices};
        teller tell{is_heard};
        run(from, always, tell);
    });
}

std::string text_of(const choice_groups& choices) {
    std::ostringstream text;
    for (const auto& group : choices) {
        if (&group != &choices.front()) text << " |";
        for (const choice each : group) text << ' ' << each;
    }
    return text.str();
}

failure shrink(const history& run, const choice_groups& found, const std::string& where, const child_end& end) {
    shrinker shrinking{
        found, [&](const choice_groups& shorter) { return run_listed(run, shorter, false).how == end.how; }};
    failure shortest;
    shortest.operations_before = found.size() - 1;
    shortest.choices = shrinking.run();
    shortest.tries = shrinking.tries();
    std::ostringstream text;
    text << where << ", operation " << found.size() - 1 << ":\n"
         << end.said << (end.how == child_end::kind::late ? "it took too long\n" : "") << "shrunk in "
         << shrinking.tries() << " tries to " << shortest.choices.size() - 1 << " operations:\n"
         << run_listed(run, shortest.choices, true).said << "its choices:" << text_of(shortest.choices) << '\n';
    shortest.text = text.str();
    return shortest;
}

/// Calls `act(progress&)` in a child process. Returns false if that ends badly, and sets `found` to what was shrunk.
template <class Act, class Where>
bool succeeds(const history& run, const Act& act, const Where& where, counts& all, failure& found) {
    const shared_memory memory{sizeof(progress)};
    auto& shared = *static_cast<progress*>(memory.data());
    const child_end end = in_child([&] { act(shared); });
    all += shared.all;
    if (end.how == child_end::kind::well) return true;
    found = shrink(run, shared.groups(), where(shared), end);
    return false;
}

}  // namespace

bool find_at_random(const history& run, std::uint64_t seed, std::size_t operations, counts& all, failure& found) {
    const auto act = [&](progress& shared) {
        random_choices random{seed, operations};
        recorded from{random, shared};
        teller silent{false};
        ++shared.all.histories;
        child_has(a_minute);
        run(from, always, silent);
        shared.all.operations += silent.operations;
    };
    const auto where = [&](const progress&) { return "at random, seed " + std::to_string(seed); };
    return !succeeds(run, act, where, all, found);
}

bool find_in_every_way(const history& run, std::size_t operations, counts& all, failure& found) {
    const auto act = [&](progress& shared) {
        every_way ways{operations};
        teller silent{false};
        do {
            recorded from{ways, shared};
            if (shared.all.histories++ % 1024 == 0) child_has(a_minute);
            run(
                from, [&] { return !ways.is_repeating(); }, silent);
        } while (ways.next());
        shared.all.operations += silent.operations;
    };
    const auto where = [](const progress& shared) {
        return "history " + std::to_string(shared.all.histories) + " of all";
    };
    return !succeeds(run, act, where, all, found);
}

counts run_at_random(const history& run, std::uint64_t first, std::uint64_t last, std::size_t operations) {
    counts all;
    failure found;
    for (std::uint64_t seed = first; seed <= last; ++seed)
        if (find_at_random(run, seed, operations, all, found)) FAIL(found.text);
    return all;
}

counts run_every_way(const history& run, std::size_t operations) {
    counts all;
    failure found;
    for (std::size_t length = 1; length <= operations; ++length)
        if (find_in_every_way(run, length, all, found)) FAIL(found.text);
    return all;
}

}  // namespace histories
