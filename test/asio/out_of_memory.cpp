// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/core/reserved_memory.hpp>

#include <support/allocations.hpp>
#include <support/async_calls.hpp>

// Memory that runs out where an asynchronous acquire must do without, and executors that need memory of their own. All
// other failures are in test/failures/asio.cpp.

using namespace std::chrono_literals;
using namespace async_calls;
using allocations::failing;

namespace {

/// A handler that needs no memory for its result.
template <class Pool>
struct answer {
    int calls = 0;
    error_code error;
    typename Pool::lease_type lease;

    auto handler(net::io_context& loop) {
        return net::bind_executor(loop, [this](error_code its_error, auto its_lease) {
            ++calls;
            error = its_error;
            lease = std::move(its_lease);
        });
    }
};

template <class Check>
void with_each_new_pool(Check check) {
    SUBCASE("a pool that bounds what is open") {
        check([] { return std::make_unique<timed_fixture<open_pool>>(pool::bounded_open{.max_open = 2}); });
    }
    SUBCASE("a pool that bounds what is idle") {
        check([] { return std::make_unique<timed_fixture<idle_pool>>(pool::bounded{}); });
    }
}

}  // namespace

TEST_CASE("asio, out of memory: a give-back hands over to an asynchronous caller without memory") {
    for (std::uint64_t n = 1; n < 4; ++n) {
        timed_fixture<open_pool> f{pool::bounded_open{.max_open = 1}};
        auto lent = f.ask("a");
        f.run();
        answer<open_pool> same;
        answer<open_pool> other;
        pool::asio::async_acquire(*f.conns, "a", f.dialer(), same.handler(f.loop));
        f.run();
        {
            const failing here{1, failing::those::all_from_there};
            lent->lease.give_back();
            f.run();
            CHECK(same.calls == 1);
            CHECK_FALSE(here.happened());
        }
        CHECK(same.lease->id() == 1);
        pool::asio::async_acquire(*f.conns, "b", f.dialer(), other.handler(f.loop));
        f.run();
        {
            const failing here{n, failing::those::all_from_there};
            same.lease.give_back();  // closes, and gives the permit to the other
            f.run();
        }
        CHECK(other.calls == 1);
        if (other.error) CHECK(other.error == net::error::no_memory);
        other.lease.give_back();
        f.run();
        CHECK(f.conns->stats().dialing + f.conns->stats().waiting == 0);
    }
}

TEST_CASE("asio, out of memory: an allocator that was moved from frees what it has allocated") {
    using allocator = pool::core::reserving_allocator<int, std::allocator<void>>;
    const auto reserved = std::make_shared<pool::core::reserved_memory>();
    allocator first{reserved, {}};
    int* const memory = first.allocate(1);
    const allocator second = std::move(first);
    CHECK(first == second);
    first.deallocate(memory, 1);  // as Asio does, if a timer cannot be started
    CHECK(reserved->take(1, 1) == memory);
}

TEST_CASE("asio, out of memory: a timer ends a wait without memory") {
    fixture<pool_with<pool::bounded_open, std::chrono::steady_clock>> f{pool::bounded_open{.max_open = 1}};
    auto lent = f.ask("a");
    f.run();
    answer<pool_with<pool::bounded_open, std::chrono::steady_clock>> late;
    pool::asio::async_acquire(*f.conns, "a", f.dialer(), 1ms, late.handler(f.loop));
    {
        const failing here{1, failing::those::all_from_there};
        f.loop.restart();
        while (late.calls == 0) f.loop.run_one();
        CHECK_FALSE(here.happened());
    }
    CHECK(late.error == pool::asio::errc::acquire_timeout);
}

namespace {

/// An executor whose posts fail while it is `full`, as those of an executor that needs memory of its own.
struct narrow_executor {
    net::io_context::executor_type inner;
    const bool* full;

    net::io_context& context() const noexcept { return inner.context(); }
    void on_work_started() const noexcept { inner.on_work_started(); }
    void on_work_finished() const noexcept { inner.on_work_finished(); }
    template <class Function, class Allocator>
    void post(Function&& function, const Allocator& memory) const {
        if (*full) throw std::bad_alloc{};
        inner.post(std::forward<Function>(function), memory);
    }
    template <class Function, class Allocator>
    void defer(Function&& function, const Allocator& memory) const {
        post(std::forward<Function>(function), memory);
    }
    template <class Function, class Allocator>
    void dispatch(Function&& function, const Allocator& memory) const {
        post(std::forward<Function>(function), memory);
    }
    [[maybe_unused]] friend bool operator==(const narrow_executor&, const narrow_executor&) noexcept = default;
};

}  // namespace

TEST_CASE("asio, out of memory: a caller whose executor could not be told is told after the next step of the pool") {
    with_each_new_pool([](auto make) {
        auto f = make();
        using pool_type = typename std::remove_reference_t<decltype(*f)>::pool_type;
        answer<pool_type> got;
        bool full = false;
        const auto bound = net::bind_executor(narrow_executor{f->loop.get_executor(), &full},
            [&](error_code error, typename pool_type::lease_type lease) {
                ++got.calls;
                got.error = error;
                got.lease = std::move(lease);
            });
        SUBCASE("its dial has ended") {
            pool::asio::async_acquire(*f->conns, "a", f->slow(), bound);
            f->run();
            full = true;
            f->dial_succeeded();
            full = false;
        }
        SUBCASE("its first post: then the call throws, and nothing is lost") {
            full = true;
            CHECK_THROWS_AS(pool::asio::async_acquire(*f->conns, "a", f->dialer(), bound), std::bad_alloc);
            f->conns->put("a", f->far.dial());
            CHECK_THROWS_AS(pool::asio::async_acquire(*f->conns, "a", f->dialer(), bound), std::bad_alloc);
            full = false;
            CHECK(f->conns->stats().idle == 1);
            pool::asio::async_acquire(*f->conns, "a", f->dialer(), bound);
        }
        SUBCASE("it is late") {
            pool::asio::async_acquire(*f->conns, "a", f->slow(), 1s, bound);
            f->run();
            f->clock.advance(1s);
            full = true;
            f->conns->upkeep();
            f->conns->upkeep();
            full = false;
            f->dial_succeeded();
        }
        SUBCASE("the pool is closed") {
            pool::asio::async_acquire(*f->conns, "a", f->slow(), bound);
            f->run();
            full = true;
            f->conns->close();
            full = false;
            f->dial_succeeded();
        }
        CHECK(got.calls == 0);
        f->conns->upkeep();
        f->run();
        CHECK(got.calls == 1);
        got.lease.give_back();
        CHECK(f->conns->stats().lent + f->conns->stats().dialing + f->conns->stats().waiting == 0);
    });
}

TEST_CASE("asio, out of memory: a dial that fails in its turn needs no executor") {
    with_each_new_pool([](auto make) {
        auto f = make();
        using pool_type = typename std::remove_reference_t<decltype(*f)>::pool_type;
        answer<pool_type> got;
        bool full = false;
        const auto fails = [&](const std::string&, auto) {
            full = true;
            throw std::bad_alloc{};
        };
        pool::asio::async_acquire(*f->conns, "a", fails,
            net::bind_executor(
                narrow_executor{f->loop.get_executor(), &full}, [&](error_code error, typename pool_type::lease_type) {
                    ++got.calls;
                    got.error = error;
                }));
        f->run();
        CHECK(got.calls == 1);
        CHECK(got.error == net::error::no_memory);
    });
}
