// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

#include <pool/testing/failure_point.hpp>

/// @file
/// Counts the allocations of a thread, and can make one fail.

namespace allocations {

/// How many allocations this thread makes in `act()`, those of the fakes left out.
template <class Act>
std::uint64_t allocated_by(Act act) {
    return pool::testing::points_of(pool::testing::point::allocation, act);
}

/// Counts the allocations of this thread while it lives.
class counter {
public:
    std::uint64_t count() const noexcept { return plan_.count(pool::testing::point::allocation); }

private:
    pool::testing::failure_plan plan_{{}};
    const pool::testing::armed here_{plan_};
};

/// While it lives, one allocation of this thread throws `std::bad_alloc`: the n-th from now, where 1 is the next. Or
/// that one and all that follow it.
class failing : public pool::testing::countdown {
public:
    enum class those { one, all_from_there };  ///< which allocations fail

    explicit failing(std::uint64_t n, those which = those::one) noexcept
        : countdown{pool::testing::point::allocation, n, which == those::all_from_there} {}
};

}  // namespace allocations
