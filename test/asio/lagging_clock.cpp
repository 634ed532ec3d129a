// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/basic_pool.hpp>
#include <pool/testing/async_tended_connection.hpp>
#include <pool/testing/fake_dialer.hpp>
#include <pool/testing/tended_connection.hpp>

#include <support/posting_executor.hpp>

// The clock of a pool may be behind the clock of the timers, as coarse_clock is. A caller is late when its timer says so.

using namespace std::chrono_literals;
using boost::system::error_code;
using pool::asio::errc;

namespace lagging_clocks {
namespace {

namespace net = boost::asio;
using real = std::chrono::steady_clock;

/// An hour behind the timers. So a deadline that is less than an hour ahead has passed for them, and never comes for the
/// pool.
struct lagging_clock {
    using time_point = real::time_point;
    using duration = real::duration;
    static constexpr bool is_steady = true;
    static time_point now() { return real::now() - 1h; }
};

using held_functions = std::deque<std::function<void()>>;

/// Keeps functions until the test runs them.
struct into_a_queue {
    template <class Inner, class F, class Allocator>
    void operator()(const Inner&, F&& f, const Allocator&) const {
        held->push_back([f = std::make_shared<std::decay_t<F>>(std::forward<F>(f))] { (*f)(); });
    }
    [[maybe_unused]] friend bool operator==(const into_a_queue&, const into_a_queue&) = default;

    held_functions* held;
};

}  // namespace
}  // namespace lagging_clocks

using namespace lagging_clocks;

TEST_CASE_TEMPLATE(
    "asio, lagging clock: a caller whose timer has fired just before its check does not get the connection", Conn,
    pool::testing::tended_connection, pool::testing::async_tended_connection) {
    using pool_type = pool::basic_pool<std::string, Conn, pool::bounded_open, pool::never, std::mutex, lagging_clock>;
    pool::testing::fake_dialer dials;
    const auto dial = [&](const std::string& key, auto handler) { handler(error_code{}, Conn{dials(key)}); };
    net::io_context loop;
    held_functions held;
    pool_type conns{{.max_open = 1, .patience = 0s}};
    auto lent = conns.acquire_fresh("a", [&](const std::string& key) { return Conn{dials(key)}; });
    const auto run_next = [&] {
        const auto next = std::move(held.front());
        held.pop_front();
        next();
    };

    int calls = 0;
    error_code seen;
    const posting_executor executor{loop.get_executor(), into_a_queue{&held}};
    pool::asio::async_acquire(conns, "a", dial, 30min, net::bind_executor(executor, [&](error_code error, auto) {
        ++calls;
        seen = error;
    }));
    run_next();  // it looks, and waits
    CHECK(held.empty());
    lent.give_back();
    CHECK(held.size() == 1);  // it is lent the connection, and has not looked yet
    loop.run_one();           // its timer fires
    REQUIRE(held.size() == 2);
    std::swap(held.front(), held.back());
    while (!held.empty()) run_next();
    CHECK(calls == 1);
    CHECK(seen == errc::acquire_timeout);
    CHECK(conns.stats().lent == 0);
    CHECK(conns.stats().idle == 1);
}
