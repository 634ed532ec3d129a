// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what {fmt} says

#include <fmt/ostream.h>

#include <pool/connection_info.hpp>
#include <pool/event.hpp>
#include <pool/print.hpp>
#include <pool/savings.hpp>

/// @file
/// The same texts for {fmt}, 9 or newer: `fmt::print("{}\n", conns.stats())`. Include it yourself: `pool.hpp` does not.

/// @cond
template <>
struct fmt::formatter<pool::stats> : fmt::ostream_formatter {};
template <>
struct fmt::formatter<pool::key_stats> : fmt::ostream_formatter {};
template <>
struct fmt::formatter<pool::histogram> : fmt::ostream_formatter {};
template <>
struct fmt::formatter<pool::connection_state> : fmt::ostream_formatter {};
template <>
struct fmt::formatter<pool::retirement> : fmt::ostream_formatter {};
template <>
struct fmt::formatter<pool::event_kind> : fmt::ostream_formatter {};
template <>
struct fmt::formatter<pool::bound_kind> : fmt::ostream_formatter {};
template <>
struct fmt::formatter<pool::savings> : fmt::ostream_formatter {};
template <>
struct fmt::formatter<pool::event> : fmt::ostream_formatter {};
template <class Key>
struct fmt::formatter<pool::connection_info<Key>> : fmt::ostream_formatter {};
template <class Key>
struct fmt::formatter<pool::waiting_count<Key>> : fmt::ostream_formatter {};
template <class Key>
struct fmt::formatter<pool::key_count<Key>> : fmt::ostream_formatter {};
/// @endcond
