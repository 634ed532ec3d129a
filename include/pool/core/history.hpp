// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include <pool/core/saturating.hpp>
#include <pool/core/traces.hpp>

/// @file
/// What a pool knows of the past of a connection: from its traces, or else as far as its policies ask for it.

namespace pool::core {

/// A time of a clock, as a trace has it.
template <class TimePoint>
std::chrono::nanoseconds since_epoch(TimePoint at) {
    return saturating_cast<std::chrono::nanoseconds>(at.time_since_epoch());
}

/// How long ago something was, if it is known.
template <class Clock>
std::optional<std::chrono::nanoseconds> since(const trace::time& then, const Clock& clock) {
    if (!then) return std::nullopt;
    const std::chrono::nanoseconds now = core::since_epoch(clock.now());
    return now > *then ? now - *then : std::chrono::nanoseconds::zero();
}

/// How long the connection of an entry has been open.
template <class Entry, class Clock>
std::optional<std::chrono::nanoseconds> age_of(const Entry& e, const trace& known, const Clock& clock) {
    if (!known.opened) {
        if constexpr (Entry::parts::has_opened)
            if (!e.is_opening()) return core::since(core::since_epoch(e.opened()), clock);
    }
    return core::since(known.opened, clock);
}

/// How long it has been idle, if it is.
template <class Entry, class Clock>
std::optional<std::chrono::nanoseconds> idle_time_of(const Entry& e, const trace& known, const Clock& clock) {
    if (!e.is_idle()) return std::nullopt;
    if (!known.idle_since) {
        if constexpr (Entry::parts::has_since)
            return core::since(core::since_epoch(e.idle_since()), clock);
    }
    return core::since(known.idle_since, clock);
}

/// How often it was used and given back.
template <class Entry>
std::optional<std::uint64_t> uses_of([[maybe_unused]] const Entry& e, const trace& known) {
    if (known.opened) return known.uses;
    if constexpr (Entry::parts::has_wear) return e.worn().uses;
    else return std::nullopt;
}

}  // namespace pool::core
