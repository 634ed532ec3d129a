// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <support/fake.hpp>

/// @file
/// What a test calls through a lazy connection.

namespace fake {

/// A call that returns the number of its connection.
constexpr auto id = &connection::id;

struct call_failed {};

/// A call over a connection, or on a stream, that throws.
constexpr auto fail = [](const auto& /*over*/) { throw call_failed{}; };

/// Opens a stream of `count` messages.
inline auto messages(int count) {
    return [count](connection& conn) { return stream{conn, count}; };
}

}  // namespace fake
