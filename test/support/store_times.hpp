// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <type_traits>

#include <pool/core/entry_store.hpp>
#include <pool/policies/clock.hpp>

/// @file
/// The types of time that a store is tested with. A rule that does not depend on time is tested with both.

namespace stores {

using untimed = pool::core::no_time;
using timed = pool::manual_clock::time_point;

/// The parts of an entry with expiry times of this type.
template <class Time>
using parts_of = pool::core::entry_parts<Time, pool::core::entry_facts{.timed = !std::is_same_v<Time, untimed>}>;

constexpr timed at(int tick) { return timed{timed::duration{tick}}; }

template <class Time>
constexpr Time never() {
    if constexpr (std::is_same_v<Time, untimed>) return {};
    else return Time::max();
}

/// For a sweep that only trims.
inline constexpr auto no_visit = [](const auto&) {};

}  // namespace stores
