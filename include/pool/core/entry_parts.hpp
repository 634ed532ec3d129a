// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <type_traits>

#include <pool/core/platform.hpp>

/// @file
/// Which optional parts the entries of a store have.

namespace pool::core {

/// The type of a time point that does not exist, because nothing needs it.
struct no_time {};

/// The parts that a pool needs of its entries, besides their connections. A part that is false takes no byte.
struct entry_facts {
    bool timed = false;     ///< it has an expiry time
    bool can_wait = false;  ///< callers may wait for it
    bool since = false;     ///< it knows since when it is idle
    bool tended = false;    ///< it is kept alive while it is idle
    bool weighed = false;   ///< it knows its weight
    bool opened = false;    ///< it knows when it was opened
    bool wear = false;      ///< it has a `wear`
};

/// How often a connection was used, and its own number, together in four bytes.
struct wear {
    static constexpr std::uint32_t most_uses = 0xf'ffff;  ///< more are not counted
    static constexpr std::uint32_t most_draw = 0xfff;     ///< the greatest
    static constexpr unsigned dropped = 20;               ///< the bits of the number that it does not keep

    std::uint32_t uses : 20 = 0;  ///< how often it was given back
    std::uint32_t draw : 12 = 0;  ///< the highest bits of a number that was drawn when it was opened
};

/// A part of an entry, or nothing. `Which` tells parts apart: two that are nothing, of one type, would take a byte.
template <int Which>
struct absent {};
template <bool is_there, class T, int Which>
using part = std::conditional_t<is_there, T, absent<Which>>;

/// The optional parts of an entry, as a store and its entries ask for them. `Time` is a time point of the pool's clock.
template <class Time = no_time, entry_facts Has = entry_facts{}>
struct entry_parts {
    static constexpr bool timed = Has.timed;        ///< whether entries expire
    static constexpr bool can_wait = Has.can_wait;  ///< whether callers may wait for an entry
    static constexpr bool has_since = Has.since;    ///< whether an entry knows since when it is idle
    static constexpr bool is_tended = Has.tended;   ///< whether idle entries are kept alive
    static constexpr bool weighed = Has.weighed;    ///< whether an entry knows its weight
    static constexpr bool has_opened = Has.opened;  ///< whether an entry knows when it was opened
    static constexpr bool has_wear = Has.wear;      ///< whether an entry has a `wear`

    /// Whether the store has to be told the time.
    static constexpr bool needs_time = timed || has_since || is_tended || has_opened;

    using time_point = std::conditional_t<needs_time, Time, no_time>;  ///< the times that a store is told
    using deadline = std::conditional_t<can_wait, Time, no_time>;      ///< when callers give up
};

}  // namespace pool::core
