// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstdint>

#include <pool/core/platform.hpp>

/// @file
/// Random numbers and parts of times, so that what was done at once is not repeated at once. They are no secret.

namespace pool::core {

/// The words of SplitMix64 (Steele, Lea and Flood: Fast splittable pseudorandom number generators, OOPSLA 2014), which
/// has one word of state. The same seed gives the same words in every program. Not thread-safe.
class random_words {
public:
    constexpr explicit random_words(std::uint64_t seed) noexcept : state_{seed} {}  ///< of this seed

    /// Of a seed that differs in programs that start at the same moment.
    static random_words of_any_seed() noexcept {
        const int here = 0;  // the system chooses where a stack is
        const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
        return random_words{
            reinterpret_cast<std::uintptr_t>(&here) * 0x9e37'79b9'7f4a'7c15 ^ static_cast<std::uint64_t>(now)};
    }

    /// The next one.
    constexpr std::uint64_t operator()() noexcept {
        std::uint64_t word = state_ += 0x9e37'79b9'7f4a'7c15;
        word = (word ^ (word >> 30)) * 0xbf58'476d'1ce4'e5b9;
        word = (word ^ (word >> 27)) * 0x94d0'49bb'1331'11eb;
        return word ^ (word >> 31);
    }

private:
    std::uint64_t state_;
};

/// Subtracts a random part of a share from times. The same seed gives the same parts in every program. Not thread-safe.
class jitter {
public:
    /// `share` is from 0, which subtracts nothing, to 1.
    jitter(double share, std::uint64_t seed) noexcept : share_{share}, words_{seed} {}

    /// `time`, less a part of it that is smaller than the share. `time` is not negative.
    std::chrono::nanoseconds shorten(std::chrono::nanoseconds time) noexcept {
        const double part = share_ * draw() * static_cast<double>(time.count());
        return time - std::chrono::nanoseconds{static_cast<std::int64_t>(part)};
    }

private:
    /// At least 0, and less than 1: the upper 53 bits of the next word.
    double draw() noexcept { return static_cast<double>(words_() >> 11) * 0x1p-53; }

    double share_;
    random_words words_;
};

}  // namespace pool::core
