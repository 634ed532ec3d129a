// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <pool/core/platform.hpp>

/// @file
/// How long things take, as a distribution.

namespace pool {

/// Counts durations in buckets of fixed bounds, four for each doubling from 2^10 ns (1.02 us) to 2^42 ns (73 min). So a bucket
/// ends at most a quarter later than it begins. One bucket counts zeros, one what is shorter, one what is longer. A duration
/// that is a bound belongs to the bucket that ends there. 1 KiB, and never more. Not thread-safe: a pool returns copies.
class histogram {
public:
    using duration = std::chrono::nanoseconds;  ///< what is counted

    static constexpr int first_octave = 10;       ///< the first bound is 2^10 ns
    static constexpr int last_octave = 42;        ///< the last bound is 2^42 ns
    static constexpr std::size_t per_octave = 4;  ///< so many bounds for each doubling
    /// The number of buckets.
    static constexpr std::size_t size = (last_octave - first_octave) * per_octave + 3;

    /// Where a bucket ends; `duration::max()` is the end of the last one.
    static constexpr duration end_of(std::size_t bucket) noexcept {
        if (bucket == 0) return duration::zero();
        if (bucket + 1 == size) return duration::max();
        const std::size_t octave = (bucket - 1) / per_octave, quarter = (bucket - 1) % per_octave;
        const auto begin = std::int64_t{1} << (first_octave + static_cast<int>(octave));
        return duration{begin + begin / std::int64_t{per_octave} * static_cast<std::int64_t>(quarter)};
    }

    /// The bucket that counts a duration. One that is negative counts as zero.
    static constexpr std::size_t bucket_of(duration time) noexcept {
        if (time <= duration::zero()) return 0;
        if (time <= end_of(1)) return 1;
        const auto below = static_cast<std::uint64_t>(time.count()) - 1;  // so that a bound is the end of its bucket
        const int octave = static_cast<int>(std::bit_width(below)) - 1;
        if (octave >= last_octave) return size - 1;
        const auto quarter = static_cast<std::size_t>(below >> (octave - 2)) % per_octave;
        return 2 + static_cast<std::size_t>(octave - first_octave) * per_octave + quarter;
    }

    /// Counts one duration. O(1).
    constexpr void add(duration time) noexcept {
        ++counts_[bucket_of(time)];
        ++count_;
        const duration counted = std::max(time, duration::zero());
        sum_ = counted > duration::max() - sum_ ? duration::max() : sum_ + counted;
    }

    constexpr std::uint64_t count() const noexcept { return count_; }  ///< how many were counted
    constexpr duration sum() const noexcept { return sum_; }           ///< of all of them, at most 292 years
    /// How many a bucket has counted; `bucket` is less than `size`.
    constexpr std::uint64_t count_in(std::size_t bucket) const noexcept { return counts_[bucket]; }
    /// The mean; zero if nothing was counted.
    constexpr duration mean() const noexcept {
        return count_ == 0 ? duration::zero()
                           : duration{sum_.count() / static_cast<std::int64_t>(std::min(count_,
                                                         std::uint64_t{std::numeric_limits<std::int64_t>::max()}))};
    }

    /// A duration that the share `q` of those counted does not exceed: 0.5 is the median. Inside a bucket they are taken to be
    /// spread evenly, as Prometheus does in `histogram_quantile`. So it is off by less than the length of the bucket: a
    /// quarter of the value, or 1.02 us. What is beyond the last bound counts as that bound. `q` is cut to
    /// 0 … 1, and 0 if it is not a number. Zero if nothing was counted. O(size).
    duration quantile(double q) const noexcept {
        if (count_ == 0) return duration::zero();
        const double rank = (q > 0.0 ? std::min(q, 1.0) : 0.0) * static_cast<double>(count_);
        double before = 0;
        for (std::size_t i = 0; i + 1 != size; ++i) {
            if (counts_[i] == 0) continue;
            const auto inside = static_cast<double>(counts_[i]);
            if (before + inside >= rank) {
                const auto begin = static_cast<double>(i == 0 ? 0 : end_of(i - 1).count());
                const double length = static_cast<double>(end_of(i).count()) - begin;
                return duration{std::llround(begin + length * std::max(rank - before, 0.0) / inside)};
            }
            before += inside;
        }
        return end_of(size - 2);
    }

    /// Adds what another one has counted.
    constexpr histogram& operator+=(const histogram& other) noexcept {
        for (std::size_t i = 0; i != size; ++i) counts_[i] += other.counts_[i];
        count_ += other.count_;
        sum_ = other.sum_ > duration::max() - sum_ ? duration::max() : sum_ + other.sum_;
        return *this;
    }

    friend bool operator==(const histogram&, const histogram&) = default;  ///< whether they have counted the same

private:
    std::array<std::uint64_t, size> counts_{};
    std::uint64_t count_ = 0;
    duration sum_{};
};

/// The times of a pool: 4 KiB. Its setting `histograms` has them counted.
struct histograms {
    /// How long each caller that got a connection had waited for it in the queue; zero for those that did not.
    histogram wait{};
    /// How long each use of a connection lasted: until it was given back, discarded or detached, and before its reset.
    histogram use{};
    histogram dial{};   ///< how long each dial took that opened a connection
    histogram close{};  ///< how long each close took, or the release of what was closed already

    /// Adds those of another pool.
    constexpr histograms& operator+=(const histograms& other) noexcept {
        wait += other.wait;
        use += other.use;
        dial += other.dial;
        close += other.close;
        return *this;
    }

    friend bool operator==(const histograms&, const histograms&) = default;  ///< whether they have counted the same
};

}  // namespace pool
