// SPDX-License-Identifier: BSL-1.0
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <doctest/doctest.h>

#include <support/later_checks.hpp>

// Hooks that are coroutines, and calls that block no thread on connections with such hooks.

using namespace later;

namespace {

/// Lets the loop do something else first.
net::awaitable<void> turn() { co_await net::post(co_await net::this_coro::executor, net::use_awaitable); }

net::awaitable<bool> answers(bool is_healthy) {
    co_await turn();
    co_return is_healthy;
}
net::awaitable<void> ends() { co_await turn(); }
net::awaitable<void> fails() {
    co_await turn();
    throw std::runtime_error{"in the middle of a reply"};
}

/// All hooks of its connections are coroutines.
template <class Pool>
struct spawning : check_fixture<Pool> {
    spawning() : check_fixture<Pool>{pool::pool_settings{.keep_alive_every = 10s}} {
        this->dials.prepare([this](far_end& far) {
            far.on_async_check = [this](hook_done done) { net::co_spawn(this->loop, answers(true), std::move(done)); };
            far.on_async_reset = [this](hook_done done) { net::co_spawn(this->loop, ends(), std::move(done)); };
            far.on_async_keep_alive = far.on_async_reset;
        });
    }
};

}  // namespace

TEST_CASE_TEMPLATE("async hooks: a hook may be a coroutine [C20 to C22]", Pool, later_idle, later_open, later_shards) {
    spawning<Pool> f;
    f.put("a");
    auto got = f.ask("a");
    CHECK(got->lease->id() == 1);
    got->lease.give_back();
    CHECK(f.stats().lent == 1);
    f.run();
    CHECK(f.stats().idle == 1);
    f.clock.advance(10s);
    f.conns->upkeep();
    CHECK(f.stats().checking == 1);
    f.run();
    CHECK(f.stats().kept_alive == 1);
    CHECK(f.history(1) == "dialled for a, checked, reset, kept alive");
    f.check_sums(1);
}

TEST_CASE_TEMPLATE("async hooks: a coroutine that answers no, or throws, has the connection closed [C20 to C22]", Pool,
    later_idle, later_open) {
    for (const int which : {1, 2, 3}) {
        spawning<Pool> f;
        f.put("a");
        far_end& far = f.far(1);
        const auto fails_so = [&](hook_done done) { net::co_spawn(f.loop, fails(), std::move(done)); };
        if (which == 1)
            far.on_async_check = [&](hook_done done) { net::co_spawn(f.loop, answers(false), std::move(done)); };
        else if (which == 2) far.on_async_reset = fails_so;
        else far.on_async_keep_alive = fails_so;
        if (which == 3) {
            f.clock.advance(10s);
            f.conns->upkeep();
            f.run();
        } else {
            auto got = f.ask("a");
            CHECK(got->lease->id() == (which == 1 ? 2 : 1));
            got->lease.give_back();
            f.run();
        }
        f.conns->upkeep();
        CHECK(far.closes == 1);
        CHECK(f.stats().found_unhealthy == (which == 1));
        CHECK(f.stats().failed_resets == (which == 2));
        CHECK(f.stats().failed_keep_alives == (which == 3));
        f.check_sums(which == 3 ? 0 : 1);
    }
}

TEST_CASE_TEMPLATE("async hooks: a loop that goes drops the coroutine, and the connection is closed [C23]", Pool,
    later_idle, later_open) {
    for (const int which : {1, 2, 3}) {
        later_fixture<Pool> f{pool::pool_settings{.keep_alive_every = 10s}};
        f.put("a");
        {
            net::io_context loop;
            const auto spawned = [&](hook_done done) { net::co_spawn(loop, ends(), std::move(done)); };
            f.far(1).on_async_reset = spawned;
            f.far(1).on_async_keep_alive = spawned;
            if (which == 1) f.acquire().give_back();
            f.clock.advance(10s);
            f.conns->upkeep();
            if (which == 3) f.conns.reset();
            CHECK(f.far(1).closes == 0);
        }
        CHECK(f.far(1).closes == 1);
        if (f.conns) f.check_sums(which == 1 ? 1 : 0);
    }
}

TEST_CASE_TEMPLATE("async hooks: async_invoke waits for the check, and not for the reset [C20, C21]", Pool, later_idle,
    later_open, later_shards) {
    check_fixture<Pool> f;
    f.dials.prepare([&](far_end& far) {
        far.on_async_check = f.begun.later();
        far.on_async_reset = f.begun.later();
    });
    f.put("a");
    bool is_done = false;
    const auto call = [](later::connection& conn) -> net::awaitable<void> {
        conn.use();
        co_await turn();
    };
    pool::asio::async_invoke(
        *f.conns, "a", f.async_dial(), call, net::bind_executor(f.loop, [&](std::exception_ptr error) {
            CHECK_FALSE(error);
            is_done = true;
        }));
    f.run();
    CHECK(f.history(1) == "dialled for a, checked");
    f.answer(true);
    CHECK(is_done);
    CHECK(f.history(1) == "dialled for a, checked, used, reset");
    CHECK(f.stats().lent == 1);
    f.answer(true);
    CHECK(f.stats().idle == 1);
    f.check_sums(1);
}

TEST_CASE_TEMPLATE(
    "async hooks: a coroutine of a caller whose check goes on alone may be gone [C20]", Pool, later_idle, later_open) {
    check_fixture<Pool> f;
    f.put("a");
    {
        net::io_context loop;
        const auto call = [](later::connection&) {};
        pool::asio::async_invoke(*f.conns, "a", f.async_dial(), 5s, call,
            net::bind_executor(loop, [](const std::exception_ptr&) { FAIL("called"); }));
        loop.poll();
        CHECK(f.begun.running() == 1);
        f.clock.advance(5s);
        f.conns->upkeep();  // tells it, but nobody runs the loop any more
    }
    f.answer(true);
    CHECK(f.stats().idle == 1);
    f.check_sums(1);
}
