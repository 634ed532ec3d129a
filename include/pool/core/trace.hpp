// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include <pool/call_site.hpp>
#include <pool/retirement.hpp>

/// @file
/// What is noted of one connection.

namespace pool::core {

/// The notes of one connection, besides its entry. Times are those of the pool's clock, since its epoch.
struct trace {
    using time = std::optional<std::chrono::nanoseconds>;  ///< none before it has happened

    std::uint64_t number = 0;           ///< of the connections of its store, in the order of their first events
    std::chrono::nanoseconds began{};   ///< when its dial began
    time opened = {};                   ///< when its dial ended, or it was put
    time idle_since = {};               ///< when it was idle last: while it is unused, it is as old as that
    time lent_since = {};               ///< when a caller got it, who has not given it back, or whose reset it is in
    time used_until = {};               ///< while it is reset: when the caller has given it back
    std::chrono::nanoseconds waited{};  ///< how long that caller waited for it
    std::uint64_t uses = 0;             ///< how often a caller has given it back
    bool reused = false;                ///< whether it was idle before it was lent
    retirement expires_by = retirement::expired;  ///< while it is idle: why it would expire
    call_site where{};                            ///< of the call that lent it
    std::uint16_t ghosts = 0;                     ///< in which simulated pools its caller has it, too
};

}  // namespace pool::core
