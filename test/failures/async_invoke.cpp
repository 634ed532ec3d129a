// SPDX-License-Identifier: BSL-1.0
#include <exception>
#include <new>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_invoke.hpp>

#ifdef BOOST_ASIO_HAS_CO_AWAIT
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#endif

#include <support/failing_asio.hpp>

// Each call of foreign code fails in turn, in calls that block no thread: the coroutine of a call, and a plain function.

#ifdef BOOST_ASIO_HAS_CO_AWAIT

using namespace failing;

namespace {

/// Starts a call of `f`. `first` counts its ends.
template <class World, class F>
void invoke(World& w, F f) {
    pool::asio::async_invoke(
        *w.conns, w.a, w.at_once(), std::move(f), net::bind_executor(w.loop, [&w](const std::exception_ptr& error) {
            ++w.first.calls;
            if (error) w.first.error = net::error::fault;
        }));
    w.is_started = true;
}

/// All of a call fails in turn, from its start to its end.
auto fails_in(auto f) {
    return [f](auto& w, failure_run& run) {
        const bool is_started = run.during([&] { invoke(w, f); });
        const bool went_on = !is_started || run.during([&] { w.poll(); });
        run.require(went_on, "nothing is thrown out of the loop");
        w.poll();
        w.conns->upkeep();
        w.poll();
        run.require(w.first.calls == (is_started ? 1 : 0), "a call that has begun ends once");
        run.require(run.has_failed() || !w.first.error, "it fails only if something fails");
        return is_started;
    };
}

/// Lets the loop do something else first.
net::awaitable<void> turn() { co_await net::post(co_await net::this_coro::executor, net::use_awaitable); }

constexpr auto plain = [](conn& over) {
    over.use();
    may_fail(point::hook);
};

}  // namespace

// Memory that runs out, and a key whose move fails, are left out. Both may fail in the initiation of the acquire that the
// coroutine of the call awaits. Boost.Asio 1.74 then calls std::terminate, because its awaiter is noexcept, and 1.81 lets
// the exception out of the event loop.
TEST_CASE_TEMPLATE("failures, asio: a call that blocks no thread [C12, C14]", Pool, idle_pool, open_pool) {
    using world = async_world<Pool>;
    scenarios all;
    const auto one_idle = [](world& w) { w.put(w.a); };
    const auto reusable = [](world& w) {
        w.put(w.a);
        w.dials[1].reusable = true;
    };
    const auto coroutine = [](conn& over) -> net::awaitable<void> {
        over.use();
        may_fail(point::hook);
        co_await turn();
        may_fail(point::hook);
    };
    for (const point kind : {point::copy, point::hash, point::comparison, point::dial, point::close, point::hook}) {
        all.add_run<world>("a plain function, on a new connection", promise::basic, nothing, fails_in(plain), kind);
        all.add_run<world>("a plain function, on an idle one", promise::basic, one_idle, fails_in(plain), kind);
        all.add_run<world>("a coroutine, on a new connection", promise::basic, nothing, fails_in(coroutine), kind);
        all.add_run<world>("a coroutine, on an idle one", promise::basic, one_idle, fails_in(coroutine), kind);
        all.add_run<world>("a coroutine, on a reusable one", promise::strong, reusable, fails_in(coroutine), kind);
    }
}

#endif
