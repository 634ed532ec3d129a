// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>
#include <doctest/doctest.h>

#include <pool/asio.hpp>

#include <support/later_hooks.hpp>

/// @file
/// Asynchronous callers of pools whose hooks are asynchronous. The test turns the event loop, and ends the checks.

namespace later {

namespace net = boost::asio;
using boost::system::error_code;
using pool::asio::errc;

template <class Pool>
struct outcome {
    bool done = false;
    error_code error;
    typename Pool::lease_type lease;
};

template <class Pool>
struct check_fixture : later_fixture<Pool> {
    using result_ptr = std::shared_ptr<outcome<Pool>>;
    using conn = typename Pool::connection_type;

    /// The checks of all connections end when the test says so.
    template <class... Args>
    explicit check_fixture(Args&&... args) : later_fixture<Pool>{std::forward<Args>(args)...} {
        this->dials.prepare([this](far_end& far) { far.on_async_check = this->begun.later(); });
    }

    auto async_dial() {
        return
            [this](const std::string& key, auto handler) { std::move(handler)(error_code{}, conn{this->dials(key)}); };
    }
    auto handler(const result_ptr& all) {
        return net::bind_executor(loop, [all](error_code error, typename Pool::lease_type got) {
            CHECK_FALSE(all->done);
            all->done = true;
            all->error = error;
            all->lease = std::move(got);
        });
    }
    /// Starts an `async_acquire`, and runs what is ready.
    template <class... Limit>
    result_ptr ask(const char* key, Limit... limit) {
        auto all = std::make_shared<outcome<Pool>>();
        pool::asio::async_acquire(*this->conns, key, async_dial(), limit..., handler(all));
        run();
        return all;
    }
    void run() {
        loop.restart();
        loop.poll();
    }
    /// The oldest check ends.
    void answer(bool is_healthy) {
        this->begun.take()(is_healthy);
        run();
    }

    net::io_context loop;
};

}  // namespace later
