// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include <pool/connection.hpp>
#include <pool/hook_done.hpp>
#include <pool/testing/failure_plan.hpp>
#include <pool/testing/fake_connection.hpp>

/// @file
/// A fake connection that its pool checks, resets and keeps alive by asynchronous operations.

namespace pool::testing {

/// A `fake_connection` with the hooks `async_healthy`, `async_reset` and `async_keep_alive`. The start of each is a failure
/// point (a hook), a step of an exploration, and a line of the history: "checked", "reset", "kept alive". The far end
/// decides how it goes: see `far_end::on_async_check`, `on_async_reset` and `on_async_keep_alive`. If the peer has gone, it
/// throws. Until its end, the connection must not be used, moved, closed or destroyed.
class async_tended_connection : public fake_connection {
public:
    /// The same connection.
    explicit(false) async_tended_connection(fake_connection&& from) noexcept : fake_connection{std::move(from)} {}

    /// Asks the peer.
    void check(hook_done done) {
        start({"checks a connection", "checked", "it is being checked"}, far().on_async_check, std::move(done));
    }
    /// As a pool does.
    void reset_session(hook_done done) {
        start({"resets a connection", "reset", "it is being reset"}, far().on_async_reset, std::move(done));
    }
    /// As a pool does.
    void keep_alive(hook_done done) {
        start({"keeps a connection alive", "kept alive", "it is being kept alive"}, far().on_async_keep_alive,
            std::move(done));
    }

private:
    /// An operation that has not ended.
    struct operation {
        operation(const far_end& far, const far_end::action& begun, hook_done told)
            : done{std::move(told)},
              here{far, begun} {
            here.leave_thread();
        }

        hook_done done;
        const far_end::call here;  // ends first: what `done` tells may close the connection
    };

    void start(const far_end::action& what, const std::function<void(hook_done)>& act, hook_done done) {
        far_end& its = far();
        its.require_no_lock(what);
        auto begun = [&] {
            const disarmed unnoticed;
            return std::make_unique<operation>(its, what, std::move(done));
        }();
        its.begin_to_tend(what);
        hook_done ends{&end, begun.release(), nullptr};
        if (act) act(std::move(ends));
        else ends(true);
    }

    static void end(void* of, void*, bool is_good) noexcept {
        std::unique_ptr<operation> ended{static_cast<operation*>(of)};
        hook_done done = std::move(ended->done);
        ended.reset();
        done(is_good);
    }
};

}  // namespace pool::testing

/// Its hooks.
template <>
struct pool::connection_traits<pool::testing::async_tended_connection>
    : pool::member_connection_traits<pool::testing::async_tended_connection> {
    using connection = pool::testing::async_tended_connection;  ///< the connection

    /// As its far end says.
    static void async_healthy(connection& c, hook_done done) { c.check(std::move(done)); }
    /// As its far end says.
    static void async_reset(connection& c, hook_done done) { c.reset_session(std::move(done)); }
    /// As its far end says.
    static void async_keep_alive(connection& c, hook_done done) { c.keep_alive(std::move(done)); }
};
