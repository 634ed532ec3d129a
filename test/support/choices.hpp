// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

/// @file
/// Where the decisions of a history come from: chance, an enumeration, or an earlier history.

/// A choice is a number. 0 is the simplest one.
using choice = std::uint32_t;

/// The choices of a history, in groups: one for its beginning, and one for each of its operations.
using choice_groups = std::vector<std::vector<choice>>;

/// Decides. A history asks it for everything that it could do in several ways, and so can be repeated.
class choice_source {
public:
    choice_source() = default;
    choice_source(const choice_source&) = delete;
    choice_source& operator=(const choice_source&) = delete;
    virtual ~choice_source() = default;

    /// Whether the history has another operation.
    virtual bool has_operation() const = 0;

    /// The next choices are those of the next operation. Returns false if there is none.
    bool begin_operation() {
        if (!has_operation()) return false;
        next_operation();
        return true;
    }

    /// A number below `end`.
    virtual std::size_t below(std::size_t end) = 0;

private:
    virtual void next_operation() = 0;
};

/// Decides at random, for so many operations. The same seed gives the same history.
class random_choices final : public choice_source {
public:
    explicit random_choices(std::uint64_t seed, std::size_t operations = 0) : random_{seed}, left_{operations} {}

    bool has_operation() const override { return left_ != 0; }
    std::size_t below(std::size_t end) override { return static_cast<std::size_t>(random_() % end); }

private:
    void next_operation() override { --left_; }

    std::mt19937_64 random_;
    std::size_t left_;
};

/// Decides in every way, one run after the other, each of so many operations. The runs are the leaves of a tree, depth
/// first. A run must ask for the same choices as the run before, as long as the answers are the same.
class every_way final : public choice_source {
public:
    explicit every_way(std::size_t operations = 0) : most_{operations}, left_{operations} {}

    bool has_operation() const override { return left_ != 0; }
    std::size_t below(std::size_t end) override {
        if (at_ == choices_.size()) choices_.push_back({0, end});
        return choices_[at_++].chosen;
    }

    /// Goes on to the next run; false if there is none.
    bool next() {
        at_ = 0;
        left_ = most_;
        while (!choices_.empty() && ++choices_.back().chosen == choices_.back().end) choices_.pop_back();
        return !choices_.empty();
    }

    /// Whether all choices of this run so far are those of an earlier run.
    bool is_repeating() const { return at_ < choices_.size(); }

private:
    void next_operation() override { --left_; }

    struct made {
        std::size_t chosen;
        std::size_t end;
    };

    std::vector<made> choices_;  ///< so far; at the start of a run those that it repeats
    std::size_t at_ = 0;
    const std::size_t most_;  ///< operations
    std::size_t left_;
};

/// Decides as a list says, even if it was made for another history: a number that is too large is lowered, and what the
/// list does not have is 0.
class listed_choices final : public choice_source {
public:
    explicit listed_choices(choice_groups groups) : groups_{std::move(groups)} {}

    bool has_operation() const override { return group_ + 1 < groups_.size(); }
    std::size_t below(std::size_t end) override {
        if (group_ >= groups_.size() || at_ >= groups_[group_].size()) return 0;
        return std::min<std::size_t>(groups_[group_][at_++], end - 1);
    }

private:
    void next_operation() override {
        ++group_;
        at_ = 0;
    }

    choice_groups groups_;
    std::size_t group_ = 0;
    std::size_t at_ = 0;
};
