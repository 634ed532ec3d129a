// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <string>

#include <pool/policies/capacity.hpp>

#include <histories/pool_of.hpp>

/// @file
/// The capacity policies of histories, besides `bounded` and `bounded_open`.

namespace histories {

using small = pool::fixed<3, 2>;

/// A policy of one's own: the second key is bounded only as all are.
struct uneven {
    std::size_t most = pool::no_limit;
    std::size_t most_per_key = pool::no_limit;

    std::size_t max_idle() const noexcept { return most; }
    std::size_t max_idle_for(const std::string& key) const noexcept {
        return key == keys[1] ? pool::no_limit : most_per_key;
    }
};

template <>
inline uneven capacity_of<uneven>(const settings& chosen) {
    return {.most = chosen.max_idle, .most_per_key = chosen.max_idle_per_key};
}

/// A bound on the weight, too. Connections weigh 2 on average.
using weighed = pool::weighed<pool::bounded>;

template <>
inline weighed capacity_of<weighed>(const settings& chosen) {
    return {{.max_idle = chosen.max_idle, .max_idle_per_key = chosen.max_idle_per_key},
        chosen.max_idle_per_key == pool::no_limit ? 5 : 2 * chosen.max_idle_per_key};
}

}  // namespace histories
