// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <pool/core/platform.hpp>
#include <pool/testing/kernel/sanitizers.hpp>

/// @file
/// A plan says which failure point fails: which of the places at which a call of foreign code can fail.
///
/// Each thread follows a plan of its own, or none. Outside a plan, nothing fails. Nothing fails in the kit's own code,
/// either: what the kit allocates, copies and moves is no failure point.

namespace pool::testing {

/// The kinds of failure points.
enum class point {
    allocation,  ///< `operator new`, in a program with `failing_allocation.hpp`
    copy,        ///< the copy of a `fallible`
    move,        ///< the move of a `fallible` or of a `fragile_connection`
    hash,        ///< the hash of a `fallible`
    comparison,  ///< the comparison of two of them
    dial,        ///< the call of a `fake_dialer`
    close,       ///< the close of a fake connection: it is closed then
    hook,        ///< what a test says: see `may_fail`
};

/// All of them, with what a person calls them.
inline constexpr std::array point_names{"allocation", "copy", "move", "hash", "comparison", "dial", "close", "hook"};

/// Says which failure point fails, and counts them. Thread-safe.
class failure_plan {
public:
    /// What fails.
    struct choice {
        std::uint64_t n = 0;          ///< the n-th point, where 1 is the next; 0 for none
        bool persists = false;        ///< and, from then on, all of its kind
        std::optional<point> only{};  ///< counts only points of this kind
    };

    explicit failure_plan(choice chosen) noexcept : chosen_{chosen} {}  ///< nothing has been counted yet
    failure_plan(const failure_plan&) = delete;
    failure_plan& operator=(const failure_plan&) = delete;

    /// Counts a point. Returns whether it fails.
    bool reach(point kind) noexcept {
        const std::uint64_t of_kind = ++counts_[static_cast<std::size_t>(kind)];
        if (chosen_.only && kind != *chosen_.only) return false;
        if (++all_ == chosen_.n) {
            failed_number_ = of_kind;
            failed_ = static_cast<int>(kind);
            return true;
        }
        return chosen_.persists && failed_ == static_cast<int>(kind);
    }

    /// How many points of this kind there were.
    std::uint64_t count(point kind) const noexcept { return counts_[static_cast<std::size_t>(kind)]; }

    /// The kind of the point that has failed, if one has.
    std::optional<point> failed() const noexcept {
        const int kind = failed_;
        return kind == none ? std::nullopt : std::optional{static_cast<point>(kind)};
    }

    /// The same as text: "the copy number 3 has failed".
    std::string text() const {
        const kernel::unwatched own;
        const auto kind = failed();
        if (!kind) return "nothing has failed";
        return std::string{"the "} + point_names[static_cast<std::size_t>(*kind)] + " number " +
               std::to_string(failed_number_) + " has failed";
    }

    /// The one that the calling thread follows; null if none. A logical thread of an exploration begins with the one of
    /// the thread that calls `run`.
    static failure_plan* of_this_thread() noexcept {
        const kernel::unsanitized own;
        return kernel::failures_here().plan;
    }

    /// Counts a point of the calling thread, unless it follows no plan, or runs code of the kit. Returns whether the point
    /// fails.
    static bool reach_here(point kind) noexcept {
        const kernel::unsanitized own;
        const kernel::failure_state& here = kernel::failures_here();
        return here.plan != nullptr && here.own_code == 0 && here.plan->reach(kind);
    }

private:
    friend class armed;

    /// Returns the one before.
    static failure_plan* follow(failure_plan* next) noexcept {
        const kernel::unsanitized own;
        return std::exchange(kernel::failures_here().plan, next);
    }

    static constexpr int none = -1;

    const choice chosen_;
    std::array<std::atomic<std::uint64_t>, point_names.size()> counts_{};
    std::atomic<std::uint64_t> all_{0};
    std::atomic<std::uint64_t> failed_number_{0};
    std::atomic<int> failed_{none};
};

/// While it lives, the calling thread follows this plan. Several threads may follow one plan, but then which point is
/// the n-th depends on them.
class armed {
public:
    explicit armed(failure_plan& plan) noexcept : armed{&plan} {}  ///< the plan must outlive it
    /// The same, or no plan, if it is null.
    explicit armed(failure_plan* plan) noexcept : before_{failure_plan::follow(plan)} {}
    armed(const armed&) = delete;
    armed& operator=(const armed&) = delete;
    ~armed() { failure_plan::follow(before_); }

private:
    failure_plan* const before_;
};

/// While it lives, nothing fails in the calling thread, and nothing counts.
class disarmed : public armed {
public:
    disarmed() noexcept : armed{nullptr} {}
};

}  // namespace pool::testing
