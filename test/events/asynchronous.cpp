// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/basic_pool.hpp>

#include <support/observed_pool.hpp>

// What the observer of a pool is told of callers that do not block.

namespace observed {
namespace {

namespace net = boost::asio;
using boost::system::error_code;

using asking_idle = pool_of<pool::bounded, pool::never, fake_connection, std::mutex>;
using asking_open = pool_of<pool::bounded_open, pool::never, fake_connection, std::mutex>;

template <class Pool>
struct asking_fixture : fixture<Pool> {
    using fixture<Pool>::fixture;

    /// Acquires a connection, and runs what is ready. Returns the error.
    template <class Dial>
    error_code ask(Dial dial) {
        std::optional<error_code> result;
        pool::asio::async_acquire(*this->conns, "a", std::move(dial),
            net::bind_executor(loop, [&](error_code error, typename Pool::lease_type) { result = error; }));
        loop.restart();
        loop.poll();
        REQUIRE(result);
        return *result;
    }
    auto dialer() {
        return [this](const std::string& key, auto handler) { handler(error_code{}, this->dials(key)); };
    }

    net::io_context loop;
};

}  // namespace

TEST_CASE_TEMPLATE("events: an asynchronous caller is lent a connection, and gives it back [C29]", Pool, asking_idle,
    asking_open) {
    asking_fixture<Pool> f;
    CHECK(f.events_of([&] { CHECK(!f.ask(f.dialer())); }) ==
          texts{"\"a\": connection 1 opened", "\"a\": connection 1 lent, fresh", "\"a\": connection 1 given back"});
    CHECK(f.events_of([&] { CHECK(!f.ask(f.dialer())); }) ==
          texts{"\"a\": connection 1 lent, reused", "\"a\": connection 1 given back"});
}

TEST_CASE_TEMPLATE("events: an asynchronous dial that fails is told with its text", Pool, asking_idle, asking_open) {
    asking_fixture<Pool> f;
    const auto told = [&](auto dial) {
        const texts all = f.events_of([&] { (void)f.ask(dial); });
        REQUIRE(all.size() == 1);
        return all.front().substr(all.front().find("dial failed"));
    };
    const error_code refused = net::error::connection_refused;
    CHECK(told([&](const std::string&, auto handler) { handler(refused); }) == "dial failed: " + refused.message());
    CHECK(told([](const std::string&, auto) { throw std::runtime_error{"no answer"}; }) == "dial failed: no answer");
}

TEST_CASE_TEMPLATE("events: an asynchronous dial that returns a dead connection", Pool, asking_idle, asking_open) {
    asking_fixture<Pool> f;
    f.dials.prepare([](pool::testing::far_end& far) {
        far.dead = true;
        far.on_close = [] { throw std::runtime_error{"no goodbye"}; };
    });
    const texts all = f.events_of([&] { CHECK(f.ask(f.dialer())); });
    REQUIRE(all.size() == 2);
    CHECK(all.at(0).find("connection 1 dial failed: ") != std::string::npos);
    CHECK(all.at(1) == "\"a\": connection 1 closed, failed: no goodbye");
}

TEST_CASE_TEMPLATE("events: an asynchronous dial that is outdated is made again", Pool, asking_idle, asking_open) {
    asking_fixture<Pool> f;
    bool was_outdated = false;
    const auto dial = [&](const std::string& key, auto handler) {
        auto conn = f.dials(key);
        if (!std::exchange(was_outdated, true)) f.conns->invalidate();
        handler(error_code{}, std::move(conn));
    };
    CHECK(f.events_of([&] { CHECK(!f.ask(dial)); }) ==
          texts{"\"a\": connection 1 opened", "\"a\": connection 1 retired: invalidated", "\"a\": connection 1 closed",
              "\"a\": connection 2 opened", "\"a\": connection 2 lent, fresh", "\"a\": connection 2 given back"});
}

}  // namespace observed
