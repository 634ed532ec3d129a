// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <utility>

#include <pool/connection.hpp>
#include <pool/hook_done.hpp>

/// @file
/// How hooks are called, and how a caller asks whether the idle connection that it was lent is healthy.

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

/// Starts an asynchronous hook. If that throws, then the hook has dropped its `hook_done`, or has moved it to somebody
/// who calls or drops it later. So nothing else tells its end.
template <class Start>
void start_hook(const Start& start) noexcept {
    (void)core::succeeds(start);
}

/// Resets a connection, and tells `done` when that has ended. A blocked one cannot be reset.
template <class Conn>
void reset(Conn& conn, hook_done done) noexcept {
    if (!connection_traits<Conn>::unblocked(conn)) return done(false);
    if constexpr (async_resettable<Conn>)
        core::start_hook([&] { connection_traits<Conn>::async_reset(conn, std::move(done)); });
    else done(core::succeeds([&] { connection_traits<Conn>::reset(conn); }));
}

/// The same for a keep-alive.
template <class Conn>
void keep_alive(Conn& conn, hook_done done) noexcept {
    if constexpr (async_kept_alive<Conn>)
        core::start_hook([&] { connection_traits<Conn>::async_keep_alive(conn, std::move(done)); });
    else done(core::succeeds([&] { connection_traits<Conn>::keep_alive(conn); }));
}

/// Whether a connection that was just lent can be used. Asks it, if it has to be asked: without the lock, while it
/// counts as lent. If it is not healthy, the caller must have the pool replace or drop it.
template <class State>
bool is_healthy(State& state, typename State::entry& lent) noexcept {
    using connection_type = typename State::connection_type;
    if constexpr (health_checked<connection_type>) {
        if (!lent.is_unused()) return true;
        bool is_good = false;
        if (!core::succeeds([&] { is_good = connection_traits<connection_type>::healthy(lent.conn()); })) return false;
        if (!is_good || connection_traits<connection_type>::closed(lent.conn())) return false;
        state.passed_check(lent);
    }
    return true;
}

/// A check has ended whose caller has given up meanwhile: gives the connection back, or closes it.
template <class State>
void end_unneeded_check(State& state, typename State::entry& lent, bool is_healthy) noexcept {
    if (!is_healthy) return state.template drop<true>(lent);
    if (lent.is_unused()) state.passed_check(lent);
    state.give_back(lent);
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
