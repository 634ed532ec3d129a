// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include <pool/core/saturating.hpp>
#include <pool/core/notes.hpp>

/// @file
/// The past of a connection, as its pool knows it: from its notes, or else as far as the policies ask for it.

namespace pool::core {

/// A time of a clock, as a trace has it.
template <class TimePoint>
std::chrono::nanoseconds since_epoch(TimePoint at) {
    return saturating_cast<std::chrono::nanoseconds>(at.time_since_epoch());
}

/// How long ago something was, if it is known. `now` is a time as a trace has it.
inline std::optional<std::chrono::nanoseconds> since(const trace::time& then, std::chrono::nanoseconds now) {
    using time = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
    if (!then) return std::nullopt;
    return saturating_since(time{*then}, time{now});
}

/// Whether the entry itself knows of its past: not before it is open, nor, perhaps, when it has left.
template <class Entry>
bool is_in_use(const Entry& e) noexcept {
    return e.is_idle() || e.is_lent();
}

/// How long the connection of an entry has been open.
template <class Entry>
std::optional<std::chrono::nanoseconds> age_of(
    [[maybe_unused]] const Entry& e, const trace& known, std::chrono::nanoseconds now) {
    if constexpr (Entry::parts::has_opened)
        if (!known.opened && core::is_in_use(e)) return core::since(core::since_epoch(e.opened()), now);
    return core::since(known.opened, now);
}

/// How long it has been idle, if it is.
template <class Entry>
std::optional<std::chrono::nanoseconds> idle_time_of(const Entry& e, const trace& known, std::chrono::nanoseconds now) {
    if (!e.is_idle()) return std::nullopt;
    if constexpr (Entry::parts::has_since)
        if (!known.idle_since) return core::since(core::since_epoch(e.idle_since()), now);
    return core::since(known.idle_since, now);
}

/// How often it was used and given back.
template <class Entry>
std::optional<std::uint64_t> uses_of([[maybe_unused]] const Entry& e, const trace& known) {
    if (known.opened) return known.uses;
    if constexpr (Entry::parts::has_wear)
        if (core::is_in_use(e)) return e.worn().uses;
    return std::nullopt;
}

}  // namespace pool::core
