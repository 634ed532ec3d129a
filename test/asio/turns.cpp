// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/core/request.hpp>
#include <pool/stats.hpp>

#include <support/allocations.hpp>
#include <support/asio_pool.hpp>
#include <support/ids.hpp>
#include <support/requests.hpp>

// The turns that a caller takes on its executor: when there is one, and that it needs no memory.

using namespace std::chrono_literals;
using namespace asio_pools;
using fake::ids;
using pool::asio::async_acquire;

TEST_CASE("asio: with patience, a caller is nudged by a turn of its executor, and another one may be faster") {
    fixture f{bounds{.max_open = 1, .patience = 1ms}};
    auto lent = f.acquire("a");
    auto first = f.ask("a");
    f.run();
    lent.give_back();
    SUBCASE("it finds the connection") {
        f.run();
        CHECK(first->lease->id() == 1);
        return;
    }
    SUBCASE("a caller that blocks is faster") { lent = f.acquire("a"); }
    SUBCASE("one that does not block is faster, and gets it in its own turn") {
        auto second = f.ask("a");
        f.run();
        lent = std::move(second->lease);
    }
    f.run();
    CHECK(lent->id() == 1);
    CHECK_FALSE(first->done);
    CHECK(f.conns->stats().overtaken == 1);
    f.clock.advance(1ms);
    lent.give_back();
    CHECK_FALSE(f.conns->try_acquire("a"));
    f.run();
    CHECK(first->lease->id() == 1);
}

TEST_CASE("asio: a caller takes a turn of its executor at its start, and one for each thing that happens to it") {
    fixture f{strict({.max_open = 1})};
    const auto turns = [&f] {
        f.loop.restart();
        return f.loop.poll();
    };
    auto first = f.ask("a", f.slow());
    CHECK(turns() == 1);
    auto second = f.ask("a");
    CHECK(turns() == 1);
    f.dial_succeeded();
    CHECK(turns() == 1);
    CHECK(first->done);
    first->lease.give_back();
    CHECK(turns() == 1);
    CHECK(second->done);
    second->lease.give_back();
    auto third = f.ask("a");
    CHECK(turns() == 1);
    CHECK(third->done);
    auto fourth = f.ask("a");
    third->lease.give_back();
    CHECK(turns() == 1);  // it had its connection before its first turn
    CHECK(fourth->done);
}

TEST_CASE("asio: a caller that was told looks once, whatever has happened to it since") {
    fixture f{bounds{.max_open = 1, .patience = 1s}};
    auto lent = f.acquire("a");
    auto first = f.ask("a");
    f.run();
    lent.give_back();     // it is nudged
    f.clock.advance(1s);  // and has waited for the patience
    CHECK_FALSE(f.conns->try_acquire("a"));
    CHECK(f.conns->stats().lent == 1);
    f.loop.restart();
    CHECK(f.loop.poll() == 1);
    CHECK(first->lease->id() == 1);
}

TEST_CASE("asio: whoever hands something over to a caller that waits needs no memory [C12]") {
    fixture f{strict({.max_open = 1})};
    auto lent = f.acquire("a");
    auto next = f.ask("a");
    f.run();
    SUBCASE("a connection") {}
    SUBCASE("a permit") { f.far[1].dead = true; }
    CHECK(allocations::allocated_by([&] { lent.give_back(); }) == 0);
    CHECK(f.conns->stats().waiting == 0);
    f.run();
    CHECK(next->done);
    CHECK_FALSE(next->error);
}

TEST_CASE("asio: the end of a pool needs no memory to reach its callers [C12]") {
    fixture f{strict({.max_open = 1})};
    auto lent = f.acquire("a");
    auto waits = f.ask("a");
    auto other = f.ask("b");
    f.run();
    CHECK(allocations::allocated_by([&] { f.conns.reset(); }) == 0);
    f.run();
    CHECK(waits->error == pool::asio::errc::pool_closed);
    CHECK(other->error == pool::asio::errc::pool_closed);
}

TEST_CASE("asio: a nudge needs no memory either [C12]") {
    fixture f{bounds{.max_open = 1, .patience = 1s}};
    auto lent = f.acquire("a");
    auto next = f.ask("a");
    f.run();
    for (int i = 0; i != 3; ++i) {
        CHECK(allocations::allocated_by([&] { lent.give_back(); }) == 0);
        lent = f.conns->try_acquire("a");
        f.run();
        CHECK_FALSE(next->done);
    }
    lent.give_back();
    f.run();
    CHECK(next->lease->id() == 1);
}

TEST_CASE("asio: a caller whose look takes several batches takes one turn for it") {
    using pool_type = fixture<>::pool_type;
    struct late_caller final : requests::request<pool_type> {
        explicit late_caller(pool::manual_clock::time_point deadline) : request{true, deadline} {}
        bool notified() noexcept override { return true; }
    };
    fixture f{strict({.max_open = 2, .max_open_per_key = 1})};
    auto blocked = f.acquire("a");
    f.far[1].blocked = true;
    blocked.give_back();
    std::deque<late_caller> late;
    for (int i = 0; i != 200; ++i) requests::submit(*f.conns, late.emplace_back(f.clock.now() + 1ms), "a");
    const auto asking = f.ask("a");
    f.clock.advance(1ms);
    f.far[1].blocked = false;
    CHECK(f.loop.poll() == 1);
    CHECK(asking->done);
    CHECK(asking->lease->id() == 1);
    for (late_caller& each : late) CHECK(each.state() == pool::core::request_state::timed_out);
}
