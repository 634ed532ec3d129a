// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

/// @file
/// The times of single operations.

namespace bench {

/// Keeps every single time, so any quantile is exact.
class samples {
public:
    using nanoseconds = std::chrono::nanoseconds;

    /// Calls `operation` and notes how long it took. The time includes one reading of the clock.
    template <class Operation>
    void time(Operation&& operation) {
        const auto start = std::chrono::steady_clock::now();
        std::forward<Operation>(operation)();
        add(std::chrono::steady_clock::now() - start);
    }

    void reserve(std::size_t count) { all_.reserve(count); }
    void add(nanoseconds one) { all_.push_back(one); }
    void add(const samples& others) { all_.insert(all_.end(), others.all_.begin(), others.all_.end()); }
    std::size_t size() const noexcept { return all_.size(); }

    /// The smallest time that a `share` of all times do not exceed. With a share of 1 it is the longest. There must be
    /// at least one time.
    nanoseconds quantile(double share) {
        const auto rank = std::ceil(share * static_cast<double>(all_.size()));
        const auto at = all_.begin() + static_cast<std::ptrdiff_t>(std::max(rank, 1.0)) - 1;
        std::nth_element(all_.begin(), at, all_.end());
        return *at;
    }

private:
    std::vector<nanoseconds> all_;
};

/// A time as tables show it.
inline double microseconds(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1e3; }

}  // namespace bench
