// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/version.hpp>
#include <doctest/doctest.h>

#include <pool/asio.hpp>

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
#include <boost/asio/use_awaitable.hpp>
#endif

#include <support/fake.hpp>
#include <support/figures.hpp>

// Callers that do not block: the event loop is turned by hand, so what happens when is in the test's hands.

using namespace std::chrono_literals;
using pool::asio::async_acquire;

namespace {

namespace net = boost::asio;
using boost::system::error_code;
using ids = std::vector<int>;
using bounds = pool::bounded_open;

/// What an `async_acquire` has come to.
template <class Lease>
struct result {
    bool done = false;
    error_code error;
    Lease lease;
};

template <class Expiry = pool::never, class Lock = std::mutex>
struct fixture {
    using pool_type = pool::basic_pool<std::string, fake::connection, bounds, Expiry, Lock, pool::manual_clock>;
    using lease = typename pool_type::lease_type;
    using result = ::result<lease>;
    using dial_done = std::function<void(error_code, std::optional<fake::connection>)>;

    explicit fixture(bounds capacity, Expiry expiry = {})
        : conns{std::in_place, capacity, expiry, pool::pool_settings{.name = "peers"}, clock} {}

    /// A dial that is over at once.
    auto dialer() {
        return [this](const std::string&, auto handler) { std::move(handler)(error_code{}, far.dial()); };
    }

    /// A dial that ends when the test says so.
    auto slow() {
        return [this](const std::string&, auto handler) {
            dials.push_back([handler = std::move(handler)](
                                error_code error, std::optional<fake::connection> conn) mutable {
                if (conn) handler(error, std::move(*conn));
                else handler(error);
            });
        };
    }

    /// Dial number `which` is over.
    void opened(std::size_t which = 0) {
        const dial_done done = std::exchange(dials.at(which), nullptr);
        done({}, far.dial());
    }

    lease acquire(const char* key) {
        return conns->acquire(key, [this](const std::string&) { return far.dial(); });
    }

    /// Starts one, whose result is there when the loop has run.
    template <class Dial>
    std::shared_ptr<result> ask(const char* key, Dial dial) {
        auto all = std::make_shared<result>();
        async_acquire(*conns, key, std::move(dial), net::bind_executor(loop, [all](error_code error, lease got) {
            CHECK_FALSE(all->done);
            all->done = true;
            all->error = error;
            all->lease = std::move(got);
        }));
        return all;
    }
    auto ask(const char* key) { return ask(key, dialer()); }

    void run() {
        loop.restart();
        loop.poll();
    }

    fake::network far;
    pool::manual_clock clock;
    net::io_context loop;
    std::vector<dial_done> dials;
    std::optional<pool_type> conns;
};

}  // namespace

TEST_CASE("asio: a connection is lent, but not within the call that asks for it") {
    fixture f{bounds{.max_open = 1}};
    auto first = f.ask("a");
    CHECK_FALSE(first->done);
    CHECK(f.far.dials() == 0);
    f.run();
    REQUIRE(first->done);
    CHECK_FALSE(first->error);
    CHECK(first->lease->id() == 1);
    CHECK_FALSE(first->lease.reused());
    CHECK(first->lease.key() == "a");
    first->lease.give_back();

    auto second = f.ask("a");
    CHECK_FALSE(second->done);
    CHECK(f.conns->stats().lent == 1);
    f.run();
    CHECK(second->lease->id() == 1);
    CHECK(second->lease.reused());
    const pool::stats s = f.conns->stats();
    CHECK(s.hits == 1);
    CHECK(s.misses == 1);
    CHECK(s.dials == 1);
}

TEST_CASE("asio: callers that block and callers that do not are one queue, in one order") {
    fixture f{bounds{.max_open = 1}};
    auto lent = f.acquire("a");
    auto first = f.ask("a");
    std::atomic<int> id{0};
    std::thread second{[&] { id = f.acquire("a")->id(); }};
    while (f.conns->stats().waiting < 2) std::this_thread::yield();
    auto third = f.ask("a");

    lent.give_back();
    f.run();
    REQUIRE(first->done);
    CHECK(first->lease->id() == 1);
    CHECK(f.conns->stats().waiting == 2);
    CHECK(id == 0);
    first->lease.give_back();
    second.join();
    CHECK(id == 1);
    f.run();
    CHECK(third->lease->id() == 1);
    CHECK(f.far.dials() == 1);
}

TEST_CASE("asio: a connection that comes back serves one whose own dial is under way") {
    fixture f{bounds{.max_open = 2}};
    auto lent = f.acquire("a");
    auto first = f.ask("a", f.slow());
    f.run();
    REQUIRE(f.dials.size() == 1);
    CHECK(f.conns->stats("a") == pool::key_stats{.idle = 0, .lent = 1, .dialing = 1});
    lent.give_back();
    f.run();
    REQUIRE(first->done);
    CHECK(first->lease->id() == 1);
    CHECK(f.conns->stats("a") == pool::key_stats{.idle = 0, .lent = 1, .dialing = 1});

    SUBCASE("the connection of that dial goes to the next who waits") {
        auto second = f.ask("a");
        f.run();
        CHECK_FALSE(second->done);
        f.opened();
        f.run();
        CHECK(second->lease->id() == 2);
    }
    SUBCASE("or it becomes idle") {
        f.opened();
        CHECK(f.conns->stats("a") == pool::key_stats{.idle = 1, .lent = 1});
        CHECK(f.conns->stats().puts == 2);
    }
    SUBCASE("or its room goes to one of another key") {
        auto second = f.ask("b");
        f.opened();
        CHECK(f.far.closed() == ids{2});
        f.run();
        CHECK(second->lease->id() == 3);
    }
    SUBCASE("or it is closed, as the pool is") {
        f.conns->close();
        f.opened();
        CHECK(f.far.closed() == ids{2});
    }
    SUBCASE("or it fails, which nobody is told but who times out") {
        f.dials[0](net::error::connection_refused, std::nullopt);
        f.dials.clear();
        CHECK(f.conns->stats("a") == pool::key_stats{.idle = 0, .lent = 1});
        CHECK(f.conns->stats().failed_dials == 1);
    }
    CHECK(f.conns->stats().dialing == 0);
}

TEST_CASE("asio: the connection of a dial goes to the oldest of its key") {
    fixture f{bounds{.max_open = 2}};
    auto first = f.ask("a", f.slow());
    auto second = f.ask("a", f.slow());
    f.run();
    REQUIRE(f.dials.size() == 2);
    f.opened(1);
    f.run();
    CHECK(first->lease->id() == 1);
    CHECK_FALSE(second->done);

    SUBCASE("the other gets that of the other dial") { f.opened(0); }
    SUBCASE("or one that comes back") {
        first->lease.give_back();
        f.run();
        CHECK(second->lease->id() == 1);
        f.opened(0);
    }
    SUBCASE("or that of another dial of its own, when the other fails") {
        CHECK(f.dials.size() == 2);
        CHECK(f.conns->stats("a") == pool::key_stats{.idle = 0, .lent = 1, .dialing = 1, .waiting = 1});
        f.dials[0](net::error::connection_refused, std::nullopt);
        f.dials[0] = nullptr;
        f.run();
        f.opened(2);
    }
    f.run();
    CHECK(second->done);
    CHECK_FALSE(second->error);
    CHECK(f.conns->stats().dialing == 0);
    CHECK(f.conns->stats().waiting == 0);
}

TEST_CASE("asio: a failed dial fails its own caller, with its own error, and the next one tries") {
    fixture f{bounds{.max_open = 1}};
    const auto fails = [&](auto dial, error_code expected) {
        auto first = f.ask("a", dial);
        auto second = f.ask("a");
        f.run();
        CHECK(first->error == expected);
        CHECK_FALSE(first->lease);
        f.run();
        REQUIRE(second->lease);
        second->lease.discard();
        CHECK(f.conns->stats().failed_dials == 1);
        CHECK(f.conns->stats().keys == 0);
    };
    SUBCASE("an error code") {
        fails([](const std::string&, auto handler) { handler(net::error::connection_refused); },
            net::error::connection_refused);
    }
    SUBCASE("an exception with one") {
        fails([](const std::string&, auto) { throw boost::system::system_error{net::error::host_not_found}; },
            net::error::host_not_found);
    }
    SUBCASE("another exception") {
        fails([](const std::string&, auto) { throw std::runtime_error{"no answer"}; }, pool::asio::errc::dial_failed);
    }
    SUBCASE("a handler that is dropped") {
        fails([](const std::string&, auto) {}, pool::asio::errc::dial_dropped);
    }
}

TEST_CASE("asio: what the errors say") {
    const auto says = [](error_code error) { return std::string{error.category().name()} + ": " + error.message(); };
    CHECK(says(pool::asio::errc::pool_closed) == "pool: the pool is closed");
    CHECK(says(pool::asio::errc::queue_full) == "pool: the wait queue is full");
    CHECK(says(pool::asio::errc::dial_failed) == "pool: the dial failed with an exception");
    CHECK(says(pool::asio::errc::dial_dropped) == "pool: the dial was dropped before it was over");
    CHECK(says({0, pool::asio::category()}) == "pool: unknown error");
}

TEST_CASE("asio: as many wait as may, and a pool that is closed lends nothing") {
    fixture f{bounds{.max_open = 1, .max_waiting = 1}};
    auto lent = f.acquire("a");
    auto waits = f.ask("a");
    auto over = f.ask("a");
    f.run();
    CHECK_FALSE(waits->done);
    CHECK(over->error == pool::asio::errc::queue_full);

    f.conns->close();
    CHECK_FALSE(waits->done);
    auto late = f.ask("a");
    f.run();
    CHECK(waits->error == pool::asio::errc::pool_closed);
    CHECK(late->error == pool::asio::errc::pool_closed);
    const pool::stats s = f.conns->stats();
    CHECK(s.hits + s.misses == 4);
}

TEST_CASE("asio: a thousand callers of a cold key dial no more at once than may") {
    fixture f{bounds{.max_open = 100, .max_dials_per_key = 3}};
    std::vector<std::shared_ptr<fixture<>::result>> all;
    for (int i = 0; i < 1000; ++i) all.push_back(f.ask("a", f.slow()));
    f.run();
    CHECK(f.dials.size() == 3);
    CHECK(f.conns->stats().waiting == 997);
    std::size_t over = 0;
    std::size_t served = 0;
    for (std::size_t dial = 0; served < all.size(); ++served) {
        if (dial < f.dials.size()) f.opened(dial++);
        f.run();
        over = std::max(over, f.conns->stats().dialing);
        REQUIRE(all[served]->done);  // in the order they came
        all[served]->lease.give_back();
    }
    CHECK(over <= 3);
    while (f.conns->stats().dialing != 0) {
        for (std::size_t dial = 0; dial < f.dials.size(); ++dial)
            if (f.dials[dial]) f.opened(dial);
        f.run();
    }
    CHECK(f.far.open() <= 100);
}

TEST_CASE("asio: close tells all who wait, in the order they came, and not within the call [C11]") {
    fixture f{bounds{.max_open = 1}};
    auto lent = f.acquire("a");
    std::vector<int> order;
    for (int i = 0; i < 4; ++i) {
        const char* const key = i % 2 == 0 ? "b" : "a";
        async_acquire(*f.conns, key, f.dialer(), net::bind_executor(f.loop, [&order, i](error_code error, auto) {
            CHECK(error == pool::asio::errc::pool_closed);
            order.push_back(i);
        }));
    }
    f.conns->close();
    CHECK(order.empty());
    CHECK(f.conns->stats().waiting == 0);
    f.run();
    CHECK(order == std::vector{0, 1, 2, 3});
}

TEST_CASE("asio: the pool may go before those who wait and dial") {
    fixture f{bounds{.max_open = 2}};
    auto lent = f.acquire("a");
    auto dials = f.ask("b", f.slow());
    f.run();
    auto waits = f.ask("a");
    f.conns.reset();
    f.run();
    CHECK(waits->error == pool::asio::errc::pool_closed);
    CHECK(dials->error == pool::asio::errc::pool_closed);
    lent.give_back();
    f.opened();
    CHECK(f.far.closed() == ids{1, 2});
}

TEST_CASE("asio: an executor that goes, and drops what it has, loses nothing") {
    fixture f{bounds{.max_open = 2}};
    {
        net::io_context loop;
        auto drop = net::bind_executor(loop, [](error_code, auto) { FAIL("called"); });
        f.acquire("a").give_back();
        async_acquire(*f.conns, "a", f.dialer(), drop);  // has the connection
        async_acquire(*f.conns, "b", f.dialer(), drop);  // has the right to dial
        CHECK(f.conns->stats().lent == 1);
        CHECK(f.conns->stats().dialing == 1);
    }
    const pool::stats s = f.conns->stats();
    CHECK(s.idle == 1);
    CHECK(s.lent == 0);
    CHECK(s.dialing == 0);
    CHECK(s.waiting == 0);
}

TEST_CASE("asio: the pool may be called from the handler and from the dial [C8]") {
    fixture f{bounds{.max_open = 1}};
    bool called = false;
    const auto dial = [&](const std::string& key, auto handler) {
        CHECK(f.conns->stats(key).dialing == 1);
        CHECK_FALSE(f.conns->try_acquire(key));
        std::move(handler)(error_code{}, f.far.dial());
    };
    async_acquire(*f.conns, "a", dial, net::bind_executor(f.loop, [&](error_code, auto first) {
        CHECK(f.conns->stats().lent == 1);
        async_acquire(*f.conns, "a", dial, net::bind_executor(f.loop, [&](error_code, auto second) {
            CHECK(second->id() == 1);
            called = true;
        }));
        first.give_back();
    }));
    f.run();
    CHECK(called);
}

TEST_CASE("asio: one thread, and no lock at all") {
    fixture<pool::after_idle, pool::null_mutex> f{bounds{.max_open = 1}, pool::after_idle{1s}};
    auto first = f.ask("a");
    auto second = f.ask("b");
    f.run();
    CHECK(first->lease->id() == 1);
    CHECK_FALSE(second->done);
    first->lease.give_back();
    f.run();
    CHECK(second->lease->id() == 2);
    CHECK(f.far.closed() == ids{1});
}

TEST_CASE("asio: a permit that is not used, because its caller was served before, is free at once") {
    fixture f{bounds{.max_open = 2}};
    auto lent = f.acquire("a");
    auto first = f.ask("a", f.slow());
    CHECK(f.conns->stats().dialing == 1);
    lent.give_back();
    CHECK(f.conns->stats().dialing == 0);
    const auto other = f.acquire("a");  // it is free for one that blocks the thread of the loop
    CHECK(other->id() == 2);
    f.run();
    CHECK(first->lease->id() == 1);
    CHECK(f.dials.empty());
}

TEST_CASE("asio: a caller may be served while it begins to dial") {
    fixture f{bounds{.max_open = 2}};
    auto lent = f.acquire("a");
    const auto work = net::make_work_guard(f.loop);
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) threads.emplace_back([&] { f.loop.run(); });
    std::atomic<bool> dialling{false};
    std::atomic<bool> done{false};
    async_acquire(*f.conns, "a",
        [&](const std::string&, auto handler) {
            dialling = true;
            while (!done) std::this_thread::yield();
            handler(error_code{}, f.far.dial());
        },
        net::bind_executor(f.loop, [&](error_code, auto got) {
            CHECK(got->id() == 1);
            done = true;
        }));
    while (!dialling) std::this_thread::yield();
    lent.give_back();
    while (f.conns->stats().idle < 2) std::this_thread::yield();
    f.loop.stop();
}

TEST_CASE("asio: the handler runs where it belongs") {
    fixture f{bounds{.max_open = 1}};
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

TEST_CASE("asio: a future") {
    fixture f{bounds{.max_open = 1}};
    auto first = async_acquire(*f.conns, "a", f.dialer(), net::use_future);
    auto lent = first.get();
    CHECK(lent->id() == 1);
    auto second = async_acquire(*f.conns, "a", f.dialer(), net::use_future);
    CHECK(second.wait_for(0s) == std::future_status::timeout);
    f.conns->close();
    CHECK_THROWS_AS((void)second.get(), boost::system::system_error);
}

#if BOOST_VERSION >= 107700
TEST_CASE("asio: cancelling takes a caller out of the queue, and takes nothing") {
    fixture f{bounds{.max_open = 1}};
    net::cancellation_signal signal;
    int calls = 0;
    const auto ask = [&](auto dial, auto check) {
        async_acquire(*f.conns, "a", std::move(dial), net::bind_cancellation_slot(signal.slot(),
            net::bind_executor(f.loop, [&, check](error_code error, auto lent) {
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
    SUBCASE("while it dials: that goes on, for whoever waits") {
        ask(f.slow(), aborted);
        f.run();
        auto next = f.ask("a");
        signal.emit(net::cancellation_type::terminal);
        f.run();
        CHECK(calls == 1);
        f.opened();
        f.run();
        CHECK(next->lease->id() == 1);
    }
    SUBCASE("or for later, if nobody does") {
        ask(f.slow(), aborted);
        f.run();
        signal.emit(net::cancellation_type::terminal);
        f.opened();
        CHECK(f.conns->stats().idle == 1);
    }
    SUBCASE("too late: it has got a connection") {
        auto lent = f.acquire("a");
        ask(f.dialer(), [](error_code error, auto got) {
            CHECK_FALSE(error);
            CHECK(got->id() == 1);
        });
        lent.give_back();
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

/// Counts what is allocated with it.
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

TEST_CASE("asio: what is posted for a handler comes from its allocator, and is free when it is called") {
    fixture f{bounds{.max_open = 1}};
    int live = 0;
    int total = 0;
    int during = -1;
    async_acquire(*f.conns, "a", f.dialer(), net::bind_allocator(counting_allocator<>{live, total},
        net::bind_executor(f.loop, [&](error_code, auto) { during = live; })));
    CHECK(live == 1);
    f.run();
    CHECK(total == 2);  // to begin the dial, and to be called
    CHECK(during == 0);
}

TEST_CASE("asio: deferred and as_tuple") {
    fixture f{bounds{.max_open = 1}};
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
    fixture f{bounds{.max_open = 1}};
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

TEST_CASE("asio: an event loop that ends with coroutines in the middle of everything loses nothing") {
    fixture f{bounds{.max_open = 3}};
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

TEST_CASE("asio: a timer sweeps") {
    fake::network far;
    net::io_context loop;
    pool::basic_pool<std::string, fake::connection, pool::unlimited, pool::after_idle> conns{{}, pool::after_idle{1ms}};
    std::optional<pool::asio::reaper<decltype(conns)>> reaper{std::in_place, loop.get_executor(), conns};
    far.prepare([&](fake::line& line) { line.on_close = [&] { reaper.reset(); }; });
    conns.put("a", far.dial());
    loop.run();  // until the reaper has gone, by the close of what it found
    CHECK(far.closed() == ids{1});
    CHECK(conns.stats().expired == 1);
}

TEST_CASE("asio: a timer that is gone sweeps no more, and an event loop with nothing else to do ends") {
    fake::network far;
    net::io_context loop;
    pool::basic_pool<std::string, fake::connection, pool::unlimited, pool::after_idle> conns{{}, pool::after_idle{0ms}};
    { const pool::asio::reaper<decltype(conns)> reaper{loop.get_executor(), conns}; }
    CHECK(loop.run() == 1);
}

TEST_CASE("asio: many threads, blocking and not, with cancels, failures and a bound: nothing is lost") {
    constexpr int loops = 2;
    constexpr int chains = 8;
    constexpr int rounds = 200;
    const std::array<std::string, 4> keys{"a", "b", "c", "d"};
    fixture f{bounds{.max_open = 5, .max_open_per_key = 3, .max_dials_per_key = 2}};
    std::atomic<int> answers{0};
    std::atomic<bool> over{false};

    /// Asks, uses what it gets, and asks again.
    struct chain : std::enable_shared_from_this<chain> {
        chain(fixture<>& home, const std::array<std::string, 4>& all, std::atomic<int>& count, std::atomic<bool>& many,
            int seed)
            : f{home}, keys{all}, answers{count}, over{many}, strand{net::make_strand(home.loop)},
              random{static_cast<unsigned>(seed)} {}

        void next() {
            if (left-- == 0) return;
            const bool fails = random() % 8 == 0;
            const auto dial = [self = this->shared_from_this(), fails](const std::string&, auto handler) {
                net::post(self->f.loop, [self, fails, handler]() mutable {
                    if (fails) return handler(net::error::connection_refused);
                    auto fresh = self->f.far.dial();
                    if (self->f.far.open() > 5) self->over = true;
                    handler(error_code{}, std::move(fresh));
                });
            };
            auto done = net::bind_executor(strand, [self = this->shared_from_this()](error_code, auto lent) {
                ++self->answers;
                if (lent && self->random() % 8 == 0) lent->far().dead = true;
                if (lent && self->random() % 2 == 0) lent.give_back();
                self->next();
            });
            const std::string& key = keys[random() % 4];
#if BOOST_VERSION >= 107700
            async_acquire(*f.conns, key, dial, net::bind_cancellation_slot(signal.slot(), std::move(done)));
            if (random() % 4 == 0) {
                net::post(strand, [self = this->shared_from_this()] {
                    self->signal.emit(net::cancellation_type::terminal);
                });
            }
#else
            async_acquire(*f.conns, key, dial, std::move(done));
#endif
        }

        fixture<>& f;
        const std::array<std::string, 4>& keys;
        std::atomic<int>& answers;
        std::atomic<bool>& over;
        net::strand<net::io_context::executor_type> strand;
        std::minstd_rand random;
        int left = rounds;
#if BOOST_VERSION >= 107700
        net::cancellation_signal signal;
#endif
    };
    for (int i = 1; i <= chains; ++i) {
        auto each = std::make_shared<chain>(f, keys, answers, over, i);
        net::post(each->strand, [each] { each->next(); });
    }
    {
        std::vector<std::jthread> all;
        for (int i = 0; i < loops; ++i) all.emplace_back([&] { f.loop.run(); });
        for (int i = 0; i < 2; ++i) {
            all.emplace_back([&, i] {
                for (int n = 0; n < rounds; ++n) (void)f.acquire(keys[static_cast<std::size_t>(n + i) % 4].c_str());
            });
        }
    }
    CHECK(answers == chains * rounds);
    CHECK_FALSE(over);
    const pool::stats s = f.conns->stats();
    CHECK(s.hits + s.misses == chains * rounds + 2 * rounds);
    CHECK(s.lent + s.dialing + s.waiting + s.closing == 0);
    CHECK(s.puts == figures::accounted_puts(s));
    f.conns->close();
    CHECK(f.far.open() == 0);
}
