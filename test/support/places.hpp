// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/call_site.hpp>
#include <pool/inspect.hpp>

/// @file
/// The places of calls. A call and `here()` have the same line only if the layout keeps them on one.

namespace places {

/// The line of the call of this function.
inline auto here(const pool::call_site& where = pool::call_site::current()) { return where.line(); }

/// The line of the call that got the lent connection of a pool. It is 0 if there is none, or if it has no place.
template <class Pool>
auto line_of(const Pool& conns) {
    for (const auto& each : pool::inspect(conns) | pool::views::lent)
        if (each.where) return each.where->line();
    return pool::call_site{}.line();
}

}  // namespace places
