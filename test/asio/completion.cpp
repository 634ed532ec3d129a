// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/version.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/call_site.hpp>
#include <pool/stats.hpp>

#if BOOST_VERSION >= 107700
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#endif
#if BOOST_VERSION >= 108100
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/deferred.hpp>
#endif
#ifdef BOOST_ASIO_HAS_CO_AWAIT
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#endif

#include <support/asio_pool.hpp>
#include <support/fake.hpp>
#include <support/figures.hpp>
#include <support/places.hpp>

// How a caller is called back: executors, futures, cancellation, allocators and coroutines.

using namespace std::chrono_literals;
using namespace asio_pools;
using pool::asio::async_acquire;

TEST_CASE("asio: the dial and the handler run on the executor of the handler") {
    fixture f{strict({.max_open = 1})};
    auto strand = net::make_strand(f.loop);
    int calls = 0;
    const auto dial = [&](const std::string&, auto handler) {
        CHECK(strand.running_in_this_thread());
        net::post(net::get_associated_executor(handler), [&, handler]() mutable {
            CHECK(strand.running_in_this_thread());
            ++calls;
            handler(error_code{}, f.far.dial());
        });
    };
    async_acquire(*f.conns, "a", dial, net::bind_executor(strand, [&](error_code, auto) {
        CHECK(strand.running_in_this_thread());
        ++calls;
    }));
    f.run();
    CHECK(calls == 2);
}

TEST_CASE("asio: with use_future, a caller gets its lease or its error from a future") {
    fixture f{strict({.max_open = 1})};
    auto first = async_acquire(*f.conns, "a", f.dialer(), net::use_future);
    auto lent = first.get();
    CHECK(lent->id() == 1);
    auto second = async_acquire(*f.conns, "a", f.dialer(), net::use_future);
    CHECK(second.wait_for(0s) == std::future_status::timeout);
    f.conns->close();
    CHECK_THROWS_AS((void)second.get(), boost::system::system_error);
}

#if BOOST_VERSION >= 107700
TEST_CASE("asio: a cancelled caller leaves the queue, and takes nothing") {
    fixture f{strict({.max_open = 1})};
    net::cancellation_signal signal;
    int calls = 0;
    const auto ask = [&](auto dial, auto check) {
        async_acquire(*f.conns, "a", std::move(dial),
            net::bind_cancellation_slot(
                signal.slot(), net::bind_executor(f.loop, [&, check](error_code error, auto lent) {
                    ++calls;
                    check(error, std::move(lent));
                })));
    };
    const auto aborted = [](error_code error, auto lent) {
        CHECK(error == net::error::operation_aborted);
        CHECK_FALSE(lent);
    };

    SUBCASE("while it waits") {
        auto lent = f.acquire("a");
        ask(f.dialer(), aborted);
        auto next = f.ask("a");
        signal.emit(net::cancellation_type::none);
        CHECK(f.conns->stats().waiting == 2);
        signal.emit(net::cancellation_type::total);
        CHECK(calls == 0);
        CHECK(f.conns->stats().waiting == 1);
        lent.give_back();
        f.run();
        CHECK(next->lease->id() == 1);
    }
    SUBCASE("before its dial has begun") {
        ask(f.slow(), aborted);
        CHECK(f.conns->stats().dialing == 1);
        signal.emit(net::cancellation_type::terminal);
        f.run();
        CHECK(f.dials.empty());
    }
    SUBCASE("while it dials: the dial goes on, for the next caller") {
        ask(f.slow(), aborted);
        f.run();
        auto next = f.ask("a");
        signal.emit(net::cancellation_type::terminal);
        f.run();
        CHECK(calls == 1);
        f.dial_succeeded();
        f.run();
        CHECK(next->lease->id() == 1);
    }
    SUBCASE("while it dials: the dial goes on, and its connection becomes idle") {
        ask(f.slow(), aborted);
        f.run();
        signal.emit(net::cancellation_type::terminal);
        f.dial_succeeded();
        CHECK(f.conns->stats().idle == 1);
    }
    SUBCASE("too late, when it has got a connection") {
        auto lent = f.acquire("a");
        ask(f.dialer(), [](error_code error, auto got) {
            CHECK_FALSE(error);
            CHECK(got->id() == 1);
        });
        lent.give_back();
        signal.emit(net::cancellation_type::terminal);
    }
    SUBCASE("too late, when it has found one that was idle") {
        f.acquire("a").give_back();
        ask(f.dialer(), [](error_code error, auto got) {
            CHECK_FALSE(error);
            CHECK(got->id() == 1);
        });
        signal.emit(net::cancellation_type::terminal);
    }
    f.run();
    CHECK(calls == 1);
    signal.emit(net::cancellation_type::terminal);  // it is over
    CHECK(f.conns->stats().dialing == 0);
    const pool::stats s = f.conns->stats();
    CHECK(s.puts == figures::accounted_puts(s));
}
#endif

#if BOOST_VERSION >= 108100
namespace {

/// Counts allocations: those that live, and all.
template <class T = void>
struct counting_allocator {
    using value_type = T;

    explicit counting_allocator(int& now, int& all) noexcept : live{&now}, total{&all} {}
    template <class U>
    counting_allocator(const counting_allocator<U>& other) noexcept : live{other.live}, total{other.total} {}

    T* allocate(std::size_t count) {
        ++*live;
        ++*total;
        return std::allocator<T>{}.allocate(count);
    }
    void deallocate(T* memory, std::size_t count) noexcept {
        --*live;
        std::allocator<T>{}.deallocate(memory, count);
    }
    friend bool operator==(const counting_allocator&, const counting_allocator&) = default;

    int* live;
    int* total;
};

}  // namespace

TEST_CASE("asio: what is posted is in memory of the operation, and otherwise in that of the handler's allocator") {
    fixture f{strict({.max_open = 1})};
    int live = 0;
    int total = 0;
    int during = -1;
    const auto ask = [&](auto executor) {
        async_acquire(*f.conns, "a", f.dialer(),
            net::bind_allocator(counting_allocator<>{live, total},
                net::bind_executor(executor, [&](error_code, auto) { during = live; })));
        f.run();
        CHECK(during == 0);
        CHECK(live == 0);
    };
    SUBCASE("an event loop needs memory for one thing at a time") {
        ask(f.loop.get_executor());
        CHECK(total == 0);
    }
    SUBCASE("a strand for more") {
        ask(net::make_strand(f.loop));
        CHECK(total > 0);
    }
}

TEST_CASE("asio: deferred starts later, and as_tuple gives a tuple") {
    fixture f{strict({.max_open = 1})};
    auto later = async_acquire(*f.conns, "a", f.dialer(), net::deferred);
    CHECK(f.conns->stats().dialing == 0);
    bool called = false;
    std::move(later)(net::bind_executor(f.loop, [&](error_code, auto lent) { called = lent->id() == 1; }));
    f.run();
    CHECK(called);
    called = false;
    async_acquire(*f.conns, "a", f.dialer(), net::as_tuple(net::bind_executor(f.loop, [&](auto all) {
        called = !std::get<0>(all) && std::get<1>(all)->id() == 1;
    })));
    f.run();
    CHECK(called);
}
#endif

#ifdef BOOST_ASIO_HAS_CO_AWAIT
TEST_CASE("asio: coroutines wait, and dial") {
    fixture f{strict({.max_open = 1})};
    int done = 0;
    const auto dial = [&](const std::string& key) -> net::awaitable<fake::connection> {
        co_await net::post(co_await net::this_coro::executor, net::use_awaitable);
        if (key == "nowhere") throw boost::system::system_error{net::error::host_not_found};
        if (key == "odd") throw std::runtime_error{"odd"};
        co_return f.far.dial();
    };
    const auto call = [&](std::string key) -> net::awaitable<void> {
        const auto lent = co_await async_acquire(*f.conns, key, dial, net::use_awaitable);
        CHECK(lent.key() == key);
        co_await net::post(co_await net::this_coro::executor, net::use_awaitable);
        ++done;
    };
    const auto fails = [&](std::string key, error_code expected) -> net::awaitable<void> {
        try {
            (void)co_await async_acquire(*f.conns, key, dial, net::use_awaitable);
        } catch (const boost::system::system_error& error) {
            CHECK(error.code() == expected);
            ++done;
        }
    };
    for (int i = 0; i < 3; ++i) net::co_spawn(f.loop, call("a"), net::detached);
    net::co_spawn(f.loop, fails("nowhere", net::error::host_not_found), net::detached);
    net::co_spawn(f.loop, fails("odd", pool::asio::errc::dial_failed), net::detached);
    net::co_spawn(f.loop, call("b"), net::detached);
    f.run();
    CHECK(done == 6);
    CHECK(f.far.dials() == 2);
    CHECK(f.conns->stats().idle == 1);
}

TEST_CASE("asio: an event loop that is destroyed with coroutines in the middle of everything loses nothing") {
    fixture f{strict({.max_open = 3})};
    {
        net::io_context loop;
        net::steady_timer never{loop, net::steady_timer::time_point::max()};
        const auto slow = [&](const std::string&) -> net::awaitable<fake::connection> {
            co_await never.async_wait(net::use_awaitable);
            co_return f.far.dial();
        };
        const auto call = [&](std::string key) -> net::awaitable<void> {
            const auto lent = co_await async_acquire(*f.conns, key, slow, net::use_awaitable);
            co_await never.async_wait(net::use_awaitable);
        };
        f.acquire("a").give_back();
        for (const char* key : {"a", "a", "b", "b", "b"}) net::co_spawn(loop, call(key), net::detached);
        loop.poll();
        CHECK(f.conns->stats().lent == 1);
        CHECK(f.conns->stats().dialing == 2);
        CHECK(f.conns->stats().waiting == 2);
        f.conns->close();
    }
    CHECK(f.conns->stats().lent == 0);
    CHECK(f.conns->stats().dialing == 0);
}
#endif

TEST_CASE("asio: a pool that traces its leases knows the place of the call") {
    using places::here;
    net::io_context loop;
    fake::network far;
    const pool::pool_settings traced{.trace_leases = true};
    const auto place = pool::call_site::current();
    std::uint_least32_t seen = 0;
    const auto check = [&](auto line) {
        loop.restart();
        loop.poll();
        CHECK(std::exchange(seen, 0) == line);
    };

    SUBCASE("with a key") {
        pool::basic_pool<std::string, fake::connection, bounds> conns{{.max_open = 1}, {}, traced};
        using lease = decltype(conns)::lease_type;
        const auto dial = [&](const std::string&, auto handler) { handler(error_code{}, far.dial()); };
        const auto look = [&](const auto&, const lease&) { seen = places::line_of(conns); };
        const auto token = net::bind_executor(loop, look);
        (async_acquire(conns, "a", dial, token), check(here()));  // which dials
        (async_acquire(conns, "a", dial, token), check(here()));
        (async_acquire(conns, "a", dial, 1h, token), check(here()));
        (async_acquire(conns, "a", dial, pool::asio::with_exceptions{token}), check(here()));
        (async_acquire(conns, "a", dial, token, place), check(place.line()));
        (async_acquire(conns, "a", dial, 1h, token, place), check(place.line()));

        auto lent = conns.try_acquire("a");
        const auto waits = (async_acquire(conns, "a", dial, token), here());
        check(0);
        lent.give_back();
        check(waits);
        CHECK(far.dials() == 1);
    }
    SUBCASE("without a key") {
        pool::basic_pool<pool::no_key, fake::connection, pool::bounded> one{{}, {}, traced};
        using lease = decltype(one)::lease_type;
        const auto dial = [&](auto handler) { handler(error_code{}, far.dial()); };
        const auto token = net::bind_executor(loop, [&](error_code, const lease&) { seen = places::line_of(one); });
        (async_acquire(one, dial, token), check(here()));
        (async_acquire(one, dial, 1h, token), check(here()));
        (async_acquire(one, pool::no_key{}, dial, 1h, token), check(here()));
        (async_acquire(one, dial, token, place), check(place.line()));
        (async_acquire(one, dial, 1h, token, place), check(place.line()));
    }
#ifdef BOOST_ASIO_HAS_CO_AWAIT
    SUBCASE("in a coroutine") {
        pool::basic_pool<std::string, fake::connection, bounds> conns{{.max_open = 1}, {}, traced};
        const auto dial = [&](const std::string&, auto handler) { handler(error_code{}, far.dial()); };
        std::uint_least32_t line = 0;
        const auto use = [&]() -> net::awaitable<void> {
            line = here() + 1;
            const auto lent = co_await async_acquire(conns, "a", dial, net::use_awaitable);
            seen = places::line_of(conns);
        };
        net::co_spawn(loop, use, net::detached);
        loop.poll();
        check(line);
        CHECK(line != 0);
    }
#endif
}
