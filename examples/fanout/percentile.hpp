// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <vector>

/// @file
/// Percentiles of times.

namespace fanout {

/// The smallest sample that at least this share of the samples does not exceed (nearest rank). It is exact: nothing is
/// interpolated. Reorders the samples. Zero if there are none.
inline std::chrono::steady_clock::duration percentile(
    std::vector<std::chrono::steady_clock::duration>& samples, double share) {
    if (samples.empty()) return {};
    const auto rank = static_cast<std::ptrdiff_t>(std::ceil(share * static_cast<double>(samples.size())));
    std::nth_element(samples.begin(), samples.begin() + rank - 1, samples.end());
    return samples[static_cast<std::size_t>(rank - 1)];
}

}  // namespace fanout
