// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/connection.hpp>

/// @file
/// How a caller asks whether the idle connection that it was lent is healthy.

namespace pool::core {

/// How many unhealthy connections one call meets before it dials. When a server has restarted, all idle connections are
/// dead: so no caller has to check them all, and all callers together do.
inline constexpr int most_unhealthy = 2;

/// Calls a hook. Returns whether it does not throw.
template <class Hook>
bool succeeds(const Hook& hook) noexcept {
    try {
        hook();
        return true;
    } catch (...) {
        return false;
    }
}

/// Whether a connection that was just lent can be used. Asks it, if it has to be asked: without the lock, while it
/// counts as lent. If it is not healthy, the caller must have the pool replace or drop it.
template <class State>
bool is_healthy(State& state, typename State::entry& lent) noexcept {
    using connection_type = typename State::connection_type;
    if constexpr (health_checked<connection_type>) {
        if (!lent.is_unchecked) return true;
        bool is_good = false;
        if (!core::succeeds([&] { is_good = connection_traits<connection_type>::healthy(lent.conn()); })) return false;
        if (!is_good || connection_traits<connection_type>::closed(lent.conn())) return false;
        state.passed_check(lent);
    }
    return true;
}

/// Drops a connection that a caller was lent, and cannot use, at the end of its scope. Until then its key is valid.
template <class State>
struct dropped {
    State& state;               ///< of its pool
    typename State::entry* it;  ///< none, if nothing is to be dropped

    ~dropped() {
        if (it != nullptr) state.drop(*it);
    }
};

}  // namespace pool::core
