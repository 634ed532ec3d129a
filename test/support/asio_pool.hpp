// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/basic_pool.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/clock.hpp>
#include <pool/policies/expiry.hpp>

#include <support/fake.hpp>
#include <support/strict.hpp>

/// @file
/// A pool, and callers of it that do not block. The test turns the event loop, and so decides what happens when.

namespace asio_pools {

namespace net = boost::asio;
using boost::system::error_code;
using bounds = pool::bounded_open;

/// The result of an `async_acquire`.
template <class Lease>
struct result {
    bool done = false;
    error_code error;
    Lease lease;
};

/// A pool on a clock that the test advances, and an event loop.
template <class Expiry = pool::never, class Lock = std::mutex>
struct fixture {
    using pool_type = pool::basic_pool<std::string, fake::connection, bounds, Expiry, Lock, pool::manual_clock>;
    using lease = typename pool_type::lease_type;
    using result = asio_pools::result<lease>;
    using dial_done = std::function<void(error_code, std::optional<fake::connection>)>;

    explicit fixture(bounds capacity, Expiry expiry = {})
        : conns{std::in_place, capacity, expiry, pool::pool_settings{.name = "peers"}, clock} {}

    /// A dial that is over at once.
    auto dialer() {
        return [this](const std::string&, auto handler) { std::move(handler)(error_code{}, far.dial()); };
    }

    /// A dial that waits in `dials` until the test ends it.
    auto slow() {
        return [this](const std::string&, auto handler) {
            dials.push_back(
                [handler = std::move(handler)](error_code error, std::optional<fake::connection> conn) mutable {
                    if (conn) handler(error, std::move(*conn));
                    else handler(error);
                });
        };
    }

    void dial_succeeded(std::size_t which = 0) { end_dial(which, {}, far.dial()); }
    void dial_failed(std::size_t which, error_code error) { end_dial(which, error, std::nullopt); }

    /// Blocks.
    lease acquire(const char* key) {
        return conns->acquire(key, [this](const std::string&) { return far.dial(); });
    }

    /// Starts an `async_acquire`. Its result is there when the loop has run.
    template <class Dial>
    std::shared_ptr<result> ask(const char* key, Dial dial) {
        auto all = std::make_shared<result>();
        pool::asio::async_acquire(
            *conns, key, std::move(dial), net::bind_executor(loop, [all](error_code error, lease got) {
                CHECK_FALSE(all->done);
                all->done = true;
                all->error = error;
                all->lease = std::move(got);
            }));
        return all;
    }
    auto ask(const char* key) { return ask(key, dialer()); }

    /// Runs what is ready.
    void run() {
        loop.restart();
        loop.poll();
    }

    fake::network far;
    pool::manual_clock clock;
    net::io_context loop;
    std::vector<dial_done> dials;
    std::optional<pool_type> conns;

private:
    void end_dial(std::size_t which, error_code error, std::optional<fake::connection> conn) {
        const dial_done done = std::exchange(dials.at(which), nullptr);
        done(error, std::move(conn));
    }
};

}  // namespace asio_pools
