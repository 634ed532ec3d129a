// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

/// @file
/// Counts the allocations of the test program, and can make one fail: it replaces every `operator new`. Each thread has
/// its own count and its own failures.

namespace allocations {

/// How many allocations this thread has made so far, failed ones included.
std::uint64_t count() noexcept;

/// How many allocations this thread makes in `act()`, failed ones included.
template <class Act>
std::uint64_t allocated_by(Act act) {
    const std::uint64_t before = count();
    act();
    return count() - before;
}

/// While it lives, one allocation of this thread throws `std::bad_alloc`: the n-th from now, where 1 is the next. Or
/// that one and all that follow it.
class failing {
public:
    enum class those { one, all_from_there };  ///< which allocations fail

    explicit failing(std::uint64_t n, those which = those::one) noexcept;
    failing(const failing&) = delete;
    failing& operator=(const failing&) = delete;
    ~failing();

    /// Whether it has thrown.
    bool happened() const noexcept;
};

}  // namespace allocations
