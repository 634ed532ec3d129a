// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstdint>

#include <pool/core/platform.hpp>

/// @file
/// Random parts of times, so that what was done at once is not repeated at once.

namespace pool::core {

/// Subtracts a random part of a share from times. The same seed gives the same parts in every program. They are drawn
/// from SplitMix64 (Steele, Lea and Flood: Fast splittable pseudorandom number generators, OOPSLA 2014), which has one
/// word of state. Not thread-safe.
class jitter {
public:
    /// `share` is from 0, which subtracts nothing, to 1.
    jitter(double share, std::uint64_t seed) noexcept : share_{share}, state_{seed} {}

    /// `time`, less a part of it that is smaller than the share. `time` is not negative.
    std::chrono::nanoseconds shorten(std::chrono::nanoseconds time) noexcept {
        const double part = share_ * draw() * static_cast<double>(time.count());
        return time - std::chrono::nanoseconds{static_cast<std::int64_t>(part)};
    }

private:
    /// At least 0, and less than 1: the upper 53 bits of the next word.
    double draw() noexcept {
        std::uint64_t word = state_ += 0x9e37'79b9'7f4a'7c15;
        word = (word ^ (word >> 30)) * 0xbf58'476d'1ce4'e5b9;
        word = (word ^ (word >> 27)) * 0x94d0'49bb'1331'11eb;
        word ^= word >> 31;
        return static_cast<double>(word >> 11) * 0x1p-53;
    }

    double share_;
    std::uint64_t state_;
};

}  // namespace pool::core
