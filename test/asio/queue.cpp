// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/policies/lock.hpp>
#include <pool/stats.hpp>

#include <support/asio_pool.hpp>
#include <support/ids.hpp>

// Which caller gets a connection, and when.

using namespace std::chrono_literals;
using namespace asio_pools;
using fake::ids;
using pool::asio::async_acquire;

TEST_CASE("asio: a connection is lent, but not within the call that asks for it") {
    fixture f{strict({.max_open = 1})};
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

TEST_CASE("asio: callers that block and callers that do not wait in one queue, in one order") {
    fixture f{strict({.max_open = 1})};
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

TEST_CASE("asio: a connection that comes back serves a caller whose own dial is under way") {
    fixture f{strict({.max_open = 2})};
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

    SUBCASE("the connection of that dial goes to the next caller") {
        auto second = f.ask("a");
        f.run();
        CHECK_FALSE(second->done);
        f.dial_succeeded();
        f.run();
        CHECK(second->lease->id() == 2);
    }
    SUBCASE("or it becomes idle") {
        f.dial_succeeded();
        CHECK(f.conns->stats("a") == pool::key_stats{.idle = 1, .lent = 1});
        CHECK(f.conns->stats().puts == 2);
    }
    SUBCASE("or it makes room for a caller of another key") {
        auto second = f.ask("b");
        f.dial_succeeded();
        CHECK(f.far.closed() == ids{2});
        f.run();
        CHECK(second->lease->id() == 3);
    }
    SUBCASE("or it is closed, because the pool is closed") {
        f.conns->close();
        f.dial_succeeded();
        CHECK(f.far.closed() == ids{2});
    }
    SUBCASE("or that dial fails, and no caller is notified") {
        f.dial_failed(0, net::error::connection_refused);
        CHECK(f.conns->stats("a") == pool::key_stats{.idle = 0, .lent = 1});
        CHECK(f.conns->stats().failed_dials == 1);
    }
    CHECK(f.conns->stats().dialing == 0);
}

TEST_CASE("asio: a dialled connection is its own caller's, and never passes to an older one") {
    fixture f{strict({.max_open = 2})};
    auto first = f.ask("a", f.slow());
    auto second = f.ask("a", f.slow());
    f.run();
    REQUIRE(f.dials.size() == 2);
    f.dial_succeeded(1);
    f.run();
    CHECK(second->lease->id() == 1);
    CHECK_FALSE(first->done);

    SUBCASE("the older caller gets the connection of its own dial") { f.dial_succeeded(0); }
    SUBCASE("or a connection that comes back") {
        second->lease.give_back();
        f.run();
        CHECK(first->lease->id() == 1);
        f.dial_succeeded(0);
    }
    SUBCASE("or nothing, when its dial fails") {
        f.dial_failed(0, net::error::connection_refused);
        f.run();
        CHECK(first->error == net::error::connection_refused);
    }
    f.run();
    CHECK(first->done);
    CHECK(f.dials.size() == 2);
    CHECK(f.conns->stats().dialing == 0);
    CHECK(f.conns->stats().waiting == 0);
}

TEST_CASE("asio: a dial whose caller has been served is good for nobody while it hangs") {
    fixture f{strict({.max_open = 3})};
    auto lent = f.acquire("a");
    auto first = f.ask("a", f.slow());
    f.run();
    lent.give_back();
    f.run();
    REQUIRE(first->done);
    auto second = f.ask("a", f.slow());
    f.run();
    CHECK(f.dials.size() == 2);
    f.dial_succeeded(1);
    f.run();
    CHECK(second->lease->id() == 2);
    f.dial_succeeded(0);
    CHECK(f.conns->stats("a") == pool::key_stats{.idle = 1, .lent = 2});
}

TEST_CASE("asio: a thousand callers of a cold key dial no more at once than the bound") {
    fixture f{strict({.max_open = 100, .max_dials_per_key = 3})};
    std::vector<std::shared_ptr<fixture<>::result>> all;
    for (int i = 0; i < 1000; ++i) all.push_back(f.ask("a", f.slow()));
    f.run();
    CHECK(f.dials.size() == 3);
    CHECK(f.conns->stats().waiting == 997);
    std::size_t over = 0;
    std::size_t served = 0;
    for (std::size_t dial = 0; served < all.size(); ++served) {
        if (dial < f.dials.size()) f.dial_succeeded(dial++);
        f.run();
        over = std::max(over, f.conns->stats().dialing);
        REQUIRE(all[served]->done);  // in the order in which they came
        all[served]->lease.give_back();
    }
    CHECK(over <= 3);
    while (f.conns->stats().dialing != 0) {
        for (std::size_t dial = 0; dial < f.dials.size(); ++dial)
            if (f.dials[dial]) f.dial_succeeded(dial);
        f.run();
    }
    CHECK(f.far.open() <= 100);
}

TEST_CASE("asio: a permit that is not used, because its caller was served before, is free at once") {
    fixture f{strict({.max_open = 2})};
    auto lent = f.acquire("a");
    auto first = f.ask("a", f.slow());
    CHECK(f.conns->stats().dialing == 1);
    lent.give_back();
    CHECK(f.conns->stats().dialing == 0);
    const auto other = f.acquire("a");  // the permit is free for a caller that blocks the thread of the loop
    CHECK(other->id() == 2);
    f.run();
    CHECK(first->lease->id() == 1);
    CHECK(f.dials.empty());
}

TEST_CASE("asio: a caller may be served while it begins to dial") {
    fixture f{strict({.max_open = 2})};
    auto lent = f.acquire("a");
    const auto work = net::make_work_guard(f.loop);
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) threads.emplace_back([&] { f.loop.run(); });
    std::atomic<bool> dialling{false};
    std::atomic<bool> done{false};
    async_acquire(
        *f.conns, "a",
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

TEST_CASE("asio: a pool of one thread needs no lock") {
    fixture<pool::after_idle, pool::null_mutex> f{strict({.max_open = 1}), pool::after_idle{1s}};
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

TEST_CASE("asio: the pool may be called from the handler and from the dial [C8]") {
    fixture f{strict({.max_open = 1})};
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
