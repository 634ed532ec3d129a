// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

#include <pool/testing/failure_plan.hpp>
#include <pool/testing/scheduler.hpp>

/// @file
/// Failure points: the places at which a call of foreign code can fail. `explore_failures` makes them fail in turn;
/// `countdown` makes one fail.

namespace pool::testing {

namespace kernel {

/// A test counts from 1. `what` is the function that was told another number.
template <class Number>
void require_counted_from_1(Number n, const char* what) {
    if (n >= 1) return;
    const unwatched own;
    misused(std::string{what} + " is told " + std::to_string(n) + ": counting begins at 1, which is the next one");
}

}  // namespace kernel

/// A failure point throws this. An allocation throws `std::bad_alloc`.
class injected_failure : public std::exception {
public:
    explicit injected_failure(point kind) noexcept : kind_{kind} {}  ///< of this kind
    /// The name of the kind.
    const char* what() const noexcept override { return point_names[static_cast<std::size_t>(kind_)]; }

private:
    point kind_;
};

/// A failure point. Throws `injected_failure` if it is its turn. Call it in a hook, or in a type of a test's own.
inline void may_fail(point kind) {
    if (failure_plan::reach_here(kind)) throw injected_failure{kind};
}

/// How many points of this kind this thread passes in `act()`. Nothing fails in it.
template <class Act>
[[nodiscard]] std::uint64_t points_of(point kind, Act act) {
    failure_plan plan{{}};
    const armed here{plan};
    act();
    return plan.count(kind);
}

namespace kernel {

/// Whether `failing_allocation.hpp` is in a source file of this program.
inline bool can_allocations_fail() {
    return points_of(point::allocation, [] {
        void* volatile got = ::operator new(1);  // a call that no compiler leaves out
        ::operator delete(got);
    }) != 0;
}

}  // namespace kernel

/// While it lives, the n-th point of this kind in this thread fails, where 1 is the next. Or that one and all that
/// follow.
class countdown {
public:
    /// `persists` makes all fail that follow.
    countdown(point kind, std::uint64_t n, bool persists = false) : plan_{{n, persists, kind}} {
        kernel::require_counted_from_1(n, "a countdown");
        if (kind == point::allocation && !kernel::can_allocations_fail())
            misused("a countdown of allocations: no source file includes <pool/testing/failing_allocation.hpp>");
    }

    /// Whether it has failed.
    bool happened() const noexcept { return plan_.failed().has_value(); }

private:
    failure_plan plan_;
    const armed here_{plan_};
};

}  // namespace pool::testing
