// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <functional>
#include <stdexcept>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/hook_done.hpp>
#include <pool/testing/async_tended_connection.hpp>

#include <support/tended_pool.hpp>

/// @file
/// Pools whose hooks are asynchronous. The test ends them.

namespace later {

using namespace tended;
using pool::hook_done;

/// It has both forms of each hook. The blocking forms of the reset and of the keep-alive are never called.
class connection : public pool::testing::async_tended_connection {
public:
    using async_tended_connection::async_tended_connection;
};

using later_idle = pool_of<pool::bounded, connection>;
using later_open = pool_of<pool::bounded_open, connection>;
using later_shards = shards_of<connection>;

/// The hooks that have begun, and not ended.
class held_hooks {
public:
    /// A hook that ends when the test says so.
    auto later() {
        return [this](hook_done done) { begun_.push_back(std::move(done)); };
    }

    std::size_t running() const { return begun_.size(); }

    /// Takes the oldest, or another one.
    hook_done take(std::size_t which = 0) {
        hook_done taken = std::move(begun_.at(which));
        begun_.erase(begun_.begin() + static_cast<std::ptrdiff_t>(which));
        return taken;
    }

private:
    std::vector<hook_done> begun_;
};

/// The ways in which a hook answers no.
struct refusal {
    const char* name;
    std::function<void(hook_done)> act;
};
inline std::vector<refusal> refusals() {
    return {
        {"no", [](hook_done done) { done(false); }},
        {"an error", [](hook_done done) { done(std::make_error_code(std::errc::broken_pipe)); }},
        {"an exception", [](hook_done done) { done(std::make_exception_ptr(1), true); }},
        {"dropped", [](const hook_done&) {}},
        {"not started", [](const hook_done&) { throw std::runtime_error{"the socket is closed"}; }},
        {"not started, but an answer", [](hook_done done) { done(false), throw 1; }},
    };
}

template <class Pool>
struct later_fixture : tended::fixture<Pool> {
    using tended::fixture<Pool>::fixture;

    held_hooks begun;
};

}  // namespace later

template <>
struct pool::connection_traits<later::connection> : pool::member_connection_traits<later::connection> {
    using async = pool::connection_traits<pool::testing::async_tended_connection>;

    static bool healthy(later::connection& c) { return !c.far().on_check || c.far().on_check(); }
    static void reset(later::connection&) { FAIL("the blocking form is called"); }
    static void keep_alive(later::connection&) { FAIL("the blocking form is called"); }
    static void async_healthy(later::connection& c, hook_done done) { async::async_healthy(c, std::move(done)); }
    static void async_reset(later::connection& c, hook_done done) { async::async_reset(c, std::move(done)); }
    static void async_keep_alive(later::connection& c, hook_done done) { async::async_keep_alive(c, std::move(done)); }
};
