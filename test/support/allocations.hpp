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

/// While it lives, one allocation of this thread throws `std::bad_alloc`: the n-th from now, where 1 is the next.
class failing {
public:
    explicit failing(std::uint64_t n) noexcept;
    failing(const failing&) = delete;
    failing& operator=(const failing&) = delete;
    ~failing();

    /// Whether it has thrown.
    bool happened() const noexcept;
};

}  // namespace allocations
