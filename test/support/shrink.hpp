// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <numeric>
#include <utility>

#include <support/choices.hpp>

/// @file
/// Makes a history that has failed shorter, and its choices simpler, as long as it still fails. It knows only the
/// choices, so it works for every history (as Hypothesis does: MacIver and Donaldson, Test-Case Reduction via Test-Case
/// Generation, 2020).

/// What a history with these choices does: whether it fails.
using fails_with = std::function<bool(const choice_groups&)>;

/// Shrinks the choices of one history.
class shrinker {
public:
    /// `failing` fails.
    shrinker(choice_groups failing, fails_with fails) : best_{std::move(failing)}, fails_{std::move(fails)} {}

    /// Returns choices that still fail. None of their operations and none of their choices can be left out, and no
    /// choice can be lowered by one, or to 0. If the operations are few, no two of them can be left out either, nor one
    /// for a change by one of another's choice.
    const choice_groups& run() {
        do {
            has_shrunk_ = false;
            for (std::size_t length = std::max<std::size_t>(1, operations() / 2); length != 0; length /= 2)
                leave_out_operations(length);
            if (operations() <= few) leave_out_pairs();
            if (operations() * choices() <= few * few) exchange_operations();
            for (std::size_t group = 0; group != best_.size(); ++group) simplify(group);
        } while (has_shrunk_);
        return best_;
    }

    /// How many histories it has tried.
    std::size_t tries() const { return tries_; }

private:
    static constexpr std::size_t few = 40;

    std::size_t choices() const {
        std::size_t all = 0;
        for (const auto& group : best_) all += group.size();
        return all;
    }
    std::size_t operations() const { return best_.empty() ? 0 : best_.size() - 1; }

    static void erase(auto& from, std::size_t first, std::size_t length) {
        const auto begin = from.begin() + static_cast<std::ptrdiff_t>(first);
        from.erase(begin, begin + static_cast<std::ptrdiff_t>(length));
    }

    /// Accepts what still fails.
    bool accepts(choice_groups shorter) {
        ++tries_;
        if (!fails_(shorter)) return false;
        best_ = std::move(shorter);
        return has_shrunk_ = true;
    }

    /// Runs of so many, the last first: what comes after the failure is gone at once.
    void leave_out_operations(std::size_t length) {
        for (std::size_t end = best_.size(); end > length;) {
            choice_groups shorter = best_;
            erase(shorter, end - length, length);
            accepts(std::move(shorter));
            end -= length;
        }
    }

    /// Two operations of which neither can go without the other: one lends what the other gives back.
    void leave_out_pairs() {
        for (std::size_t first = 1; first < best_.size(); ++first) {
            for (std::size_t second = first + 1; second < best_.size();) {
                choice_groups shorter = best_;
                erase(shorter, second, 1);
                erase(shorter, first, 1);
                if (!accepts(std::move(shorter))) ++second;
            }
        }
    }

    /// An operation that can go only if another choice changes by one. A bound that is one lower is reached by one
    /// operation less; an operation that lets time pass may let more of it pass.
    void exchange_operations() {
        for (std::size_t group = 0; group < best_.size(); ++group)
            for (std::size_t at = 0; has_choice(group, at); ++at)
                for (const bool up : {false, true}) leave_out_with(group, at, up);
    }
    bool has_choice(std::size_t group, std::size_t at) const {
        return group < best_.size() && at < best_[group].size();
    }
    void leave_out_with(std::size_t group, std::size_t at, bool up) {
        for (std::size_t operation = 1; operation < best_.size() && has_choice(group, at);) {
            choice_groups shorter = best_;
            if (!up && shorter[group][at] == 0) return;
            if (up) ++shorter[group][at];
            else --shorter[group][at];
            erase(shorter, operation, 1);
            if (operation == group || !accepts(std::move(shorter))) ++operation;
            else if (operation < group) --group;
        }
    }

    /// Leaves out choices of a group, in runs, and lowers the others.
    void simplify(std::size_t group) {
        for (std::size_t length = best_[group].size(); length != 0; length /= 2) {
            for (std::size_t end = best_[group].size(); end >= length && end != 0;) {
                choice_groups shorter = best_;
                erase(shorter[group], end - length, length);
                accepts(std::move(shorter));
                end -= length;
            }
        }
        for (std::size_t at = 0; at < best_[group].size(); ++at) lower(group, at);
    }

    bool can_be(std::size_t group, std::size_t at, choice value) {
        choice_groups simpler = best_;
        simpler[group][at] = value;
        return accepts(std::move(simpler));
    }

    /// To 0, or by halves, or one by one.
    void lower(std::size_t group, std::size_t at) {
        if (best_[group][at] == 0 || can_be(group, at, 0)) return;
        choice does_not_fail = 0;
        while (best_[group][at] - does_not_fail > 1) {
            const choice middle = std::midpoint(does_not_fail, best_[group][at]);
            if (!can_be(group, at, middle)) does_not_fail = middle;
        }
        while (best_[group][at] > 1 && can_be(group, at, best_[group][at] - 1)) {
        }
    }

    choice_groups best_;
    fails_with fails_;
    std::size_t tries_ = 0;
    bool has_shrunk_ = false;
};
