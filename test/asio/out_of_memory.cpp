// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/stats.hpp>

#include <support/allocations.hpp>
#include <support/async_calls.hpp>
#include <support/figures.hpp>

// Memory that runs out in the middle of an asynchronous acquire. Each case fails the n-th allocation, or that and all
// that follow, for every n, until nothing fails. Fake connections abort if one is lost.

using namespace std::chrono_literals;
using namespace async_calls;
using allocations::failing;

namespace {

constexpr std::uint64_t enough = 1'000;

/// Calls `make(n, which)` for every n until nothing fails in it: it returns whether something has failed.
template <class Make>
void for_each_failure(Make make) {
    for (const auto which : {failing::those::one, failing::those::all_from_there}) {
        std::uint64_t n = 1;
        while (make(n, which)) REQUIRE(++n < enough);
    }
}

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

/// Nothing is lost: another caller can still use the pool, up to its bound.
template <class Fixture>
void check_whole(Fixture& f) {
    f.run();
    const pool::stats s = f.conns->stats();
    CHECK(s.dialing + s.waiting + s.closing + s.lent == 0);
    CHECK(s.puts == figures::accounted_puts(s));
    CHECK(s.hits + s.misses <= s.dials + s.failed_dials + s.hits + 2);
    auto one = f.ask("a");
    auto two = f.ask("b");
    f.run();
    CHECK(one->lease);
    CHECK(two->lease);
    one->lease.give_back();
    two->lease.give_back();
    f.conns->close();
    CHECK(f.far.open() == 0);
}

template <class Check>
void with_each_pool(Check check) {
    SUBCASE("a pool that bounds what is open") {
        check([] { return std::make_unique<timed_fixture<open_pool>>(pool::bounded_open{.max_open = 2}); });
    }
    SUBCASE("a pool that bounds what is idle") {
        check([] { return std::make_unique<timed_fixture<idle_pool>>(pool::bounded{}); });
    }
}

}  // namespace

TEST_CASE("asio, out of memory: at the start, the caller gets std::bad_alloc or an error code, and nothing is lost") {
    with_each_pool([](auto make) {
        for_each_failure([&](std::uint64_t n, failing::those which) {
            auto f = make();
            answer<typename std::remove_reference_t<decltype(*f)>::pool_type> got;
            bool thrown = false;
            bool failed = false;
            {
                const failing here{n, which};
                try {
                    pool::asio::async_acquire(*f->conns, "a", f->dialer(), 1h, got.handler(f->loop));
                } catch (const std::bad_alloc&) {
                    thrown = true;
                }
                failed = here.happened();
            }
            f->run();
            CHECK(got.calls == (thrown ? 0 : 1));
            if (got.calls == 1) CHECK((got.error ? got.error == net::error::no_memory : got.lease->id() == 1));
            got.lease.give_back();
            check_whole(*f);
            return failed;
        });
    });
}

TEST_CASE("asio, out of memory: in a turn that dials, the caller gets an error code, and nothing is lost") {
    with_each_pool([](auto make) {
        for_each_failure([&](std::uint64_t n, failing::those which) {
            auto f = make();
            answer<typename std::remove_reference_t<decltype(*f)>::pool_type> got;
            std::optional<fake::connection> conn = f->far.dial();  // opened before memory runs out
            const auto dial = [&](const std::string&, auto handler) {
                auto kept = std::make_unique<int>(1);  // as a dial does
                auto moved = std::move(*conn);
                conn.reset();
                handler(error_code{}, std::move(moved));
            };
            pool::asio::async_acquire(*f->conns, "a", dial, got.handler(f->loop));
            bool failed = false;
            {
                const failing here{n, which};
                f->run();
                failed = here.happened();
            }
            CHECK(got.calls == 1);
            if (got.error) CHECK(got.error == net::error::no_memory);
            else CHECK(got.lease->id() == 1);
            if (conn) conn->close();  // it never got to the pool
            conn.reset();
            got.lease.give_back();
            check_whole(*f);
            return failed;
        });
    });
}

TEST_CASE("asio, out of memory: in a dial that ends later, with a connection or an error, nothing is lost") {
    with_each_pool([](auto make) {
        const auto end_dial = [&](bool succeeds, std::uint64_t n, failing::those which) {
            auto f = make();
            answer<typename std::remove_reference_t<decltype(*f)>::pool_type> got;
            pool::asio::async_acquire(*f->conns, "a", f->slow(), got.handler(f->loop));
            f->run();
            auto done = std::move(f->dials.at(0));
            f->dials.clear();
            std::optional<fake::connection> conn;
            if (succeeds) conn = f->far.dial();
            bool failed = false;
            {
                const failing here{n, which};
                done(succeeds ? error_code{} : error_code{net::error::connection_refused}, std::move(conn));
                f->run();
                failed = here.happened();
            }
            CHECK(got.calls == 1);
            if (!succeeds) CHECK(got.error == net::error::connection_refused);
            else if (got.error) CHECK(got.error == net::error::no_memory);
            conn.reset();
            got.lease.give_back();
            check_whole(*f);
            return failed;
        };
        for_each_failure([&](std::uint64_t n, failing::those which) { return end_dial(true, n, which); });
        for_each_failure([&](std::uint64_t n, failing::those which) { return end_dial(false, n, which); });
    });
}

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
    with_each_pool([](auto make) {
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
    with_each_pool([](auto make) {
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
