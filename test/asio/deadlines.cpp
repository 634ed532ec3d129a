// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/error_code.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/bounded_pool.hpp>
#include <pool/error.hpp>
#include <pool/policies/clock.hpp>
#include <pool/stats.hpp>

#include <support/async_calls.hpp>
#include <support/figures.hpp>
#include <support/ids.hpp>

// When an asynchronous caller gives up.

using namespace std::chrono_literals;
using namespace async_calls;
using fake::ids;
using pool::asio::async_acquire;
using pool::asio::errc;

using bounds = pool::bounded_open;
using real_pool = pool_with<bounds, std::chrono::steady_clock>;

TEST_CASE("asio, deadlines: the error code of a timeout is of the pool, and equals the condition timed_out") {
    const error_code late = errc::acquire_timeout;
    CHECK(late.message() == "the deadline has passed");
    CHECK(late == boost::system::errc::timed_out);
    CHECK_FALSE(error_code{errc::queue_full} == boost::system::errc::timed_out);
}

TEST_CASE("asio, deadlines: on a clock that is moved, upkeep ends the callers that are late") {
    timed_fixture<open_pool> f{bounds{.max_open = 2}};
    auto lent = f.ask("a");
    auto dials = f.ask("a", f.slow(), 2s);
    f.run();
    REQUIRE(lent->lease);
    auto waits = f.ask("a", f.dialer(), f.clock.now() + 1s);
    auto waits_longer = f.ask("a", f.dialer(), 3s);
    f.run();
    f.clock.advance(1s);
    f.run();
    CHECK_FALSE(waits->done);
    f.conns->upkeep();
    CHECK_FALSE(waits->done);  // not within the call
    CHECK(f.conns->stats().waiting == 1);
    f.run();
    CHECK(waits->error == errc::acquire_timeout);
    CHECK_FALSE(waits->lease);
    CHECK_FALSE(dials->done);

    f.clock.advance(1s);
    f.conns->upkeep();
    f.run();
    CHECK(dials->error == errc::acquire_timeout);
    CHECK_FALSE(waits_longer->done);
    f.dial_succeeded();  // the dial has gone on, for the next that waits
    f.run();
    CHECK(waits_longer->lease->id() == 2);
    const pool::stats s = f.conns->stats();
    CHECK(s.dialing + s.waiting == 0);
    CHECK(s.hits + s.misses == 4);
}

TEST_CASE("asio, deadlines: a connection that comes back passes over a caller that is late") {
    timed_fixture<open_pool> f{bounds{.max_open = 1}};
    auto lent = f.ask("a");
    f.run();
    auto late = f.ask("a", f.dialer(), 1s);
    auto next = f.ask("a", f.dialer(), 5s);
    f.run();
    f.clock.advance(1s);
    lent->lease.give_back();
    f.run();
    CHECK(late->error == errc::acquire_timeout);
    CHECK(next->lease->id() == 1);
}

TEST_CASE("asio, deadlines: a caller that may dial, and is late when its turn comes, does not dial") {
    timed_fixture<open_pool> open{bounds{.max_open = 1}};
    auto got = open.ask("a", open.dialer(), 1s);
    open.clock.advance(1s);
    open.run();
    CHECK(got->error == errc::acquire_timeout);
    CHECK(open.far.dials() == 0);
    CHECK(open.conns->stats().dialing == 0);

    timed_fixture<idle_pool> idle{pool::bounded{}};
    auto lone = idle.ask("a", idle.dialer(), 1s);
    idle.clock.advance(1s);
    idle.run();
    CHECK(lone->error == errc::acquire_timeout);
    CHECK(idle.far.dials() == 0);
}

TEST_CASE("asio, deadlines: a deadline that has passed takes nothing") {
    const auto takes_nothing = [](auto& f) {
        f.conns->put("a", f.far.dial());
        auto now = f.ask("a", f.dialer(), f.clock.now());
        auto zero = f.ask("a", f.dialer(), 0s);
        auto negative = f.ask("a", f.dialer(), -1h);
        CHECK_FALSE(now->done);
        f.run();
        for (const auto& each : {now, zero, negative}) CHECK(each->error == errc::acquire_timeout);
        CHECK(f.conns->stats().idle == 1);
        CHECK(f.conns->stats().hits == 0);
    };
    timed_fixture<open_pool> open{bounds{.max_open = 1}};
    takes_nothing(open);
    timed_fixture<idle_pool> idle{pool::bounded{}};
    takes_nothing(idle);
}

TEST_CASE("asio, deadlines: a duration begins at the call and saturates") {
    timed_fixture<open_pool> f{bounds{.max_open = 1}};
    f.clock.advance(1h);
    auto lent = f.ask("a");
    f.run();
    auto longest = f.ask("a", f.dialer(), std::chrono::hours::max());
    f.clock.set(pool::manual_clock::time_point::max());
    f.conns->upkeep();
    f.run();
    CHECK_FALSE(longest->done);
    lent->lease.give_back();
    f.run();
    CHECK(longest->lease);
}

TEST_CASE("asio, deadlines: where nobody waits, a caller leaves its dial, and the connection becomes idle") {
    timed_fixture<idle_pool> f{pool::bounded{}};
    auto got = f.ask("a", f.slow(), 1s);
    f.run();
    f.clock.advance(1s);
    f.conns->upkeep();
    f.run();
    CHECK(got->error == errc::acquire_timeout);
    f.dial_succeeded();
    CHECK(f.conns->stats().idle == 1);
    CHECK(f.conns->stats().misses == 1);
}

/// A call whose time is over in its dial. On a slow machine that time is over before the dial begins, and has to be longer.
template <class Fixture>
auto times_out_in_its_dial(Fixture& f) {
    for (auto time = 1ms;; time *= 2) {
        auto call = f.ask("a", f.slow(), time);
        f.run_until(call);
        if (!f.dials.empty()) return call;
    }
}

TEST_CASE("asio, deadlines: on a clock of real time, a timer ends the wait and the dial") {
    fixture<real_pool> f{bounds{.max_open = 1}};
    const auto dials = times_out_in_its_dial(f);
    const auto waits = f.ask("b", f.dialer(), std::chrono::steady_clock::now() + 1ms);  // that dial goes on
    f.run_until(waits);
    CHECK(dials->error == errc::acquire_timeout);
    CHECK(waits->error == errc::acquire_timeout);
    f.dial_succeeded();
    CHECK(f.conns->stats().idle == 1);
}

TEST_CASE("asio, deadlines: a timer ends a dial in a pool without a wait queue, too") {
    fixture<pool_with<pool::unlimited, pool::coarse_clock>> f;
    const auto dials = times_out_in_its_dial(f);
    CHECK(dials->error == errc::acquire_timeout);
    f.dial_succeeded();
    CHECK(f.conns->stats().idle == 1);
}

TEST_CASE("asio, deadlines: a timer that is not needed any more does not keep the loop") {
    fixture<real_pool> f{bounds{.max_open = 1}};
    auto strand = net::make_strand(f.loop);
    int served = 0;
    const auto count = net::bind_executor(strand, [&](error_code error, auto lent) { served += !error && lent; });
    async_acquire(*f.conns, "a", f.dialer(), 1h, count);
    async_acquire(*f.conns, "a", f.dialer(), 1h, count);
    f.loop.run();
    CHECK(served == 2);
}

TEST_CASE("asio, deadlines: a loop that is destroyed with its timers ends the callers that wait") {
    fixture<real_pool> f{bounds{.max_open = 1}};
    auto lent = f.ask("a");
    f.run();
    {
        net::io_context loop;
        async_acquire(
            *f.conns, "a", f.dialer(), 1h, net::bind_executor(loop, [](error_code, auto) { FAIL("called"); }));
        loop.poll();
        CHECK(f.conns->stats().waiting == 1);
    }
    CHECK(f.conns->stats().waiting == 0);
    lent->lease.give_back();
    CHECK(f.conns->stats().idle == 1);
}

TEST_CASE("asio, deadlines: the acquire_timeout of a bounded_pool is for callers that bring no deadline") {
    using pool_type = pool::bounded_pool<std::string, fake::connection>;
    fixture<pool_type> f{pool::bounded_pool_options{.max_open = 1, .acquire_timeout = 1ms}};
    auto first = f.ask("a", f.dialer(), 1h);
    f.run();
    auto second = f.ask("a", f.dialer(), 1h);
    auto third = f.ask("a");
    f.run_until(third);
    CHECK(third->error == errc::acquire_timeout);
    CHECK_FALSE(second->done);
    f.conns->close();
    f.run();
}

TEST_CASE("asio, deadlines: with exceptions, a caller gets what acquire throws") {
    timed_fixture<open_pool> f{bounds{.max_open = 1, .max_waiting = 1}};
    auto lent = f.ask_for_exceptions("a", f.dialer());
    f.run();
    REQUIRE(lent->lease);
    auto late = f.ask_for_exceptions("a", f.dialer(), 1s);
    auto full = f.ask_for_exceptions("a", f.dialer(), 1s);
    f.clock.advance(1s);
    auto passed = f.ask_for_exceptions("a", f.dialer(), 0s);
    f.conns->upkeep();
    auto closed = f.ask_for_exceptions("a", f.dialer());
    f.conns->close();
    f.run();
    CHECK_THROWS_AS(std::rethrow_exception(late->exception), pool::acquire_timeout);
    CHECK(text(late->exception) ==
          "pool \"peers\": no connection for key \"a\": its deadline has passed (1 open, 0 idle, 1 lent, 0 dialling, 1 "
          "waiting)");
    CHECK_THROWS_AS(std::rethrow_exception(full->exception), pool::queue_full);
    CHECK_THROWS_AS(std::rethrow_exception(passed->exception), pool::acquire_timeout);
    CHECK_THROWS_AS(std::rethrow_exception(closed->exception), pool::pool_closed);
}

TEST_CASE_TEMPLATE("asio, deadlines: on two threads, timers, dials and give-backs at once lose nothing", Pool,
    real_pool, pool_with<pool::bounded, std::chrono::steady_clock>) {
    using bounds_type = std::conditional_t<Pool::bounds_open, pool::bounded_open, pool::bounded>;
    constexpr int callers = 400;
    bounds_type capacity;
    if constexpr (Pool::bounds_open) capacity.max_open = 3;
    fixture<Pool> f{capacity};
    std::atomic<int> answers{0};
    const auto dial = [&](const std::string&, const pool::dial_context& context, auto handler) {
        net::post(f.loop, [&, handler, stop = context.stop]() mutable {
            if (stop.stop_requested()) handler(net::error::operation_aborted);
            else handler(error_code{}, f.far.dial());
        });
    };
    for (int i = 0; i < callers; ++i) {
        async_acquire(*f.conns, i % 2 == 0 ? "a" : "b", dial, std::chrono::microseconds{50 * (i % 16)},
            net::bind_executor(f.loop, [&](error_code error, auto lent) {
                CHECK((error ? error == errc::acquire_timeout : bool{lent}));
                ++answers;
                net::post(f.loop, [kept = std::make_shared<decltype(lent)>(std::move(lent))] { kept->give_back(); });
            }));
    }
    {
        std::jthread other{[&] { f.loop.run(); }};
        f.loop.run();
    }
    CHECK(answers == callers);
    const pool::stats s = f.conns->stats();
    CHECK(s.lent + s.dialing + s.waiting + s.closing == 0);
    CHECK(s.puts == figures::accounted_puts(s));
    f.conns->close();
    CHECK(f.far.open() == 0);
}
