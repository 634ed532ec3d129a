// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>

#include <support/tended_pool.hpp>

/// @file
/// Asynchronous callers of a pool whose connections have hooks. The test turns the event loop.

namespace tended {

namespace net = boost::asio;
using boost::system::error_code;
using pool::asio::errc;

/// The result of an asynchronous acquire.
template <class Pool>
struct outcome {
    bool done = false;
    error_code error;
    typename Pool::lease_type lease;
};

/// `Fixture<Pool>`, its callers, and a dial that is over at once.
template <template <class> class Fixture, class Pool>
struct asking_fixture : Fixture<Pool> {
    using Fixture<Pool>::Fixture;
    using result_ptr = std::shared_ptr<outcome<Pool>>;

    auto async_dial() {
        return [this](const std::string& key, auto handler) {
            std::move(handler)(error_code{}, typename Pool::connection_type{this->dials(key)});
        };
    }
    auto handler(const result_ptr& all) {
        return net::bind_executor(loop, [all](error_code error, typename Pool::lease_type got) {
            CHECK_FALSE(all->done);
            all->done = true;
            all->error = error;
            all->lease = std::move(got);
        });
    }
    /// Starts an `async_acquire`.
    template <class... Limit>
    result_ptr start(const char* key, Limit... limit) {
        auto all = std::make_shared<outcome<Pool>>();
        pool::asio::async_acquire(*this->conns, key, async_dial(), limit..., handler(all));
        return all;
    }
    /// The same, and runs what is ready.
    template <class... Limit>
    result_ptr ask(const char* key, Limit... limit) {
        auto all = start(key, limit...);
        run();
        return all;
    }
    void run() {
        loop.restart();
        loop.poll();
    }

    net::io_context loop;
};

}  // namespace tended
