// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <utility>

#include <pool/connection.hpp>
#include <pool/testing/failure_point.hpp>
#include <pool/testing/fake_connection.hpp>

/// @file
/// A fake connection that its pool checks, resets and keeps alive.

namespace pool::testing {

/// A `fake_connection` with the hooks `healthy`, `reset` and `keep_alive`. Each is a failure point (a hook), a step of
/// an exploration, and a line of the history: "checked", "reset", "kept alive". The far end decides how it goes: see
/// `far_end::on_check`, `on_reset` and `on_keep_alive`. A connection whose peer has gone fails them all.
class tended_connection : public fake_connection {
public:
    /// The same connection.
    explicit(false) tended_connection(fake_connection&& from) noexcept : fake_connection{std::move(from)} {}

    bool check() { return far().check(); }           ///< asks the peer
    void reset_session() { far().reset_session(); }  ///< as a pool does
    void keep_alive() { far().keep_alive(); }        ///< as a pool does
};

}  // namespace pool::testing

/// Its hooks.
template <>
struct pool::connection_traits<pool::testing::tended_connection>
    : pool::member_connection_traits<pool::testing::tended_connection> {
    using connection = pool::testing::tended_connection;  ///< the connection

    static bool healthy(connection& c) { return c.check(); }   ///< asks its far end
    static void reset(connection& c) { c.reset_session(); }    ///< as its far end says
    static void keep_alive(connection& c) { c.keep_alive(); }  ///< as its far end says
};
