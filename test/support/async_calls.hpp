// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <exception>
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
#include <pool/core/what.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/clock.hpp>
#include <pool/policies/expiry.hpp>

#include <support/fake.hpp>

/// @file
/// Pools of every kind, their asynchronous callers and their dials. The test turns the event loop, ends the dials, and
/// moves the clock.

namespace async_calls {

namespace net = boost::asio;
using boost::system::error_code;

template <class Capacity, class Clock = pool::manual_clock>
using pool_with = pool::basic_pool<std::string, fake::connection, Capacity, pool::never, std::mutex, Clock>;
using idle_pool = pool_with<pool::bounded>;
using open_pool = pool_with<pool::bounded_open>;

/// The text of an exception; empty if there is none.
inline std::string text(const std::exception_ptr& error) { return error ? pool::core::what(error) : std::string{}; }

/// The result of an asynchronous acquire.
template <class Pool>
struct result {
    bool done = false;
    error_code error;
    std::exception_ptr exception;
    typename Pool::lease_type lease;
};

template <class Pool>
struct fixture {
    using pool_type = Pool;
    using lease = typename Pool::lease_type;
    using result_ptr = std::shared_ptr<result<Pool>>;
    using dial_done = std::function<void(error_code, std::optional<fake::connection>)>;

    template <class... Args>
    explicit fixture(Args&&... args) : conns{std::in_place, std::forward<Args>(args)...} {}

    /// A dial that is over at once.
    auto dialer() {
        return [this](const std::string&, auto handler) { handler(error_code{}, far.dial()); };
    }

    /// A dial that waits in `dials` until the test ends it.
    auto slow() {
        return [this](const std::string&, auto handler) { this->keep(std::move(handler)); };
    }

    /// The same, and its context is in `contexts`.
    auto slow_with_context() {
        return [this](const std::string&, const pool::dial_context& context, auto handler) {
            contexts.push_back(&context);
            this->keep(std::move(handler));
        };
    }

    void dial_succeeded(std::size_t which = 0) { end_dial(which, {}, far.dial()); }
    void dial_failed(std::size_t which, error_code error) { end_dial(which, error, std::nullopt); }

    /// A handler on the loop, and its result.
    auto handler(const result_ptr& all) {
        return net::bind_executor(loop, [all](error_code error, lease got) {
            CHECK_FALSE(all->done);
            all->done = true;
            all->error = error;
            all->lease = std::move(got);
        });
    }

    /// Starts an `async_acquire`. Its result is there when the loop has run. The limits come after the dial.
    template <class Dial, class... Limit>
    result_ptr ask(const char* key, Dial dial, Limit... limit) {
        auto all = std::make_shared<result<Pool>>();
        pool::asio::async_acquire(*conns, key, std::move(dial), limit..., handler(all));
        return all;
    }
    result_ptr ask(const char* key) { return ask(key, dialer()); }

    /// The same, with exceptions.
    template <class Dial, class... Limit>
    result_ptr ask_for_exceptions(const char* key, Dial dial, Limit... limit) {
        auto all = std::make_shared<result<Pool>>();
        pool::asio::async_acquire(*conns, key, std::move(dial), limit...,
            pool::asio::with_exceptions{net::bind_executor(loop, [all](std::exception_ptr error, lease got) {
                CHECK_FALSE(all->done);
                all->done = true;
                all->exception = std::move(error);
                all->lease = std::move(got);
            })});
        return all;
    }

    /// Runs what is ready.
    void run() {
        loop.restart();
        loop.poll();
    }

    /// Runs until this is there: for timers of real time.
    void run_until(const result_ptr& all) {
        loop.restart();
        while (!all->done) REQUIRE(loop.run_one() == 1);
    }

    fake::network far;
    net::io_context loop;
    std::vector<dial_done> dials;
    std::vector<const pool::dial_context*> contexts;
    std::optional<Pool> conns;

private:
    template <class Handler>
    void keep(Handler handler) {
        dials.push_back([handler = std::move(handler)](error_code error, std::optional<fake::connection> conn) mutable {
            if (conn) handler(error, std::move(*conn));
            else handler(error);
        });
    }

    void end_dial(std::size_t which, error_code error, std::optional<fake::connection> conn) {
        const dial_done done = std::exchange(dials.at(which), nullptr);
        done(error, std::move(conn));
    }
};

/// A fixture on a clock that the test moves.
template <class Pool>
struct timed_fixture : fixture<Pool> {
    template <class Capacity>
    explicit timed_fixture(Capacity capacity, pool::manual_clock its = {})
        : fixture<Pool>{capacity, pool::never{}, pool::pool_settings{.name = "peers"}, its},
          clock{its} {}

    pool::manual_clock clock;
};

/// Calls `check(fixture)` with a pool of each kind.
template <class Check>
void with_each_kind(Check check) {
    SUBCASE("a pool that bounds what is open") {
        timed_fixture<open_pool> f{pool::bounded_open{.max_open = 2}};
        check(f);
    }
    SUBCASE("a pool that bounds what is idle") {
        timed_fixture<idle_pool> f{pool::bounded{}};
        check(f);
    }
}

}  // namespace async_calls
