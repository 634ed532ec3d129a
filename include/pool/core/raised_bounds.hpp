// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cstddef>

#include <pool/core/ghosts.hpp>
#include <pool/policies/capacity.hpp>

/// @file
/// What the bounds of a capacity policy would be, if they were higher.

namespace pool::core {

/// A bound that is higher by so many percent, rounded up. No bound and a bound of zero stay as they are: zero says that
/// nothing is to be kept.
constexpr std::size_t raised(std::size_t bound, int percent) noexcept {
    if (bound == no_limit) return no_limit;
    const auto share = static_cast<std::size_t>(percent);
    const std::size_t added = bound / 100 * share + (bound % 100 * share + 99) / 100;
    return core::sum_of_bounds(bound, added);
}

/// The bound of which `share_of(bound)` is the part that one shard has.
template <class ShareOf>
constexpr raised_bound raised_part(std::size_t whole, const ShareOf& share_of) noexcept {
    raised_bound all{};
    for (std::size_t step = 0; step != all.size(); ++step) all[step] = share_of(core::raised(whole, ghost_steps[step]));
    return all;
}

/// The bounds of a policy, as they are for a key.
template <class CapacityPolicy, class Key>
constexpr raised_bounds raised_bounds_of(const CapacityPolicy& policy, const Key& key) noexcept {
    const auto same = [](std::size_t bound) { return bound; };
    raised_bounds all{{core::raised_part(no_limit, same), core::raised_part(policy.max_idle_for(key), same),
                          core::raised_part(no_limit, same), core::raised_part(no_limit, same)},
        no_limit};
    if constexpr (requires { policy.share_of(policy.whole.max_idle()); })
        all.of[0] =
            core::raised_part(policy.whole.max_idle(), [&](std::size_t bound) { return policy.share_of(bound); });
    else all.of[0] = core::raised_part(policy.max_idle(), same);
    if constexpr (open_capacity_policy<CapacityPolicy, Key>) {
        all.of[2] = core::raised_part(policy.max_open(), same);
        all.of[3] = core::raised_part(policy.max_open_for(key), same);
        all.dials = policy.max_dials_for(key);
    }
    return all;
}

}  // namespace pool::core
