// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "protocol.hpp"

/// @file
/// The requests. Request n depends only on the seed and on n, so both phases send the same requests, whichever thread
/// sends which.

namespace fanout {

struct request {
    std::uint64_t id;
    std::size_t server;
    bool cancelled;  ///< the caller gives up as soon as the request is sent
};

class workload {
public:
    /// Chooses server k with a probability proportional to 1 / (k + 1)^skew (Zipf). A skew of 0 is an even choice.
    workload(std::uint64_t seed, std::size_t servers, double skew, double cancel) : seed_{mix(seed)}, cancel_{cancel} {
        double sum = 0;
        for (std::size_t k = 0; k < servers; ++k) shares_.push_back(sum += std::pow(static_cast<double>(k + 1), -skew));
    }

    request operator[](std::uint64_t number) const {
        const std::uint64_t id = mix(seed_ + number);
        const auto chosen = std::upper_bound(shares_.begin(), shares_.end() - 1, fraction(mix(~id)) * shares_.back());
        return {id, static_cast<std::size_t>(chosen - shares_.begin()), fraction(mix(id ^ seed_)) < cancel_};
    }

private:
    /// A number in [0, 1), of the upper 53 bits: a double holds those exactly.
    static double fraction(std::uint64_t bits) noexcept { return static_cast<double>(bits >> 11) * 0x1p-53; }

    std::uint64_t seed_;
    double cancel_;
    std::vector<double> shares_;  ///< cumulative
};

}  // namespace fanout
