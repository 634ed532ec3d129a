// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

/// @file
/// What the test program allocates: every `operator new` of it counts, and can be made to fail. Each thread has its own
/// count and its own failures.

namespace allocations {

/// How many allocations this thread has asked for so far.
std::uint64_t count() noexcept;

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
