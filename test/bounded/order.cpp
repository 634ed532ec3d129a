// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <functional>
#include <stop_token>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/stats.hpp>

#include <support/bounded_pool.hpp>
#include <support/fake.hpp>
#include <support/ids.hpp>
#include <support/requests.hpp>

// Which of the callers that wait is served, and by what.

namespace bounded_order_cases {

using namespace std::chrono_literals;
using namespace bounded_pools;
using fake::ids;

TEST_CASE("bounded: a caller that has to wait gets the connection that comes back") {
    fixture f{strict({.max_open = 1})};
    auto lent = f.acquire("a");
    auto next = f.waits("a");
    lent.give_back();
    const auto got = next.got();
    CHECK(got->id() == 1);
    CHECK(got.reused());
    CHECK(f.net.dials() == 1);
    const pool::stats s = f.conns.stats();
    CHECK(s.hits == 1);
    CHECK(s.misses == 1);
    CHECK(s.puts == s.idle + s.hits);
}

TEST_CASE("bounded: the caller that has waited longest is served first") {
    fixture f{strict({.max_open = 1})};
    auto lent = f.acquire("a");
    auto first = f.waits("a");
    auto second = f.waits("b");
    auto third = f.waits("a");
    lent.give_back();
    auto one = first.got();
    CHECK(one->id() == 1);
    CHECK(f.conns.stats().waiting == 2);
    one.give_back();
    auto two = second.got();  // "b" gets the room of "a", although a caller for "a" waits: it is older
    CHECK(two.key() == "b");
    CHECK(f.net.closed() == ids{1});
    two.give_back();
    CHECK(third.got().key() == "a");
    CHECK(f.net.closed() == ids{2});
}

TEST_CASE("bounded: a caller that cannot be served does not block those behind it") {
    fixture f{strict({.max_open = 2, .max_open_per_key = 1})};
    auto a = f.acquire("a");
    auto b = f.acquire("b");
    auto stuck = f.waits("a");  // its key is at its bound
    auto next = f.waits("c");
    b.give_back();
    CHECK(next.got().key() == "c");
    CHECK(f.conns.stats("a") == pool::key_stats{.idle = 0, .lent = 1, .dialing = 0, .waiting = 1});
    a.give_back();
    CHECK(stuck.got()->id() == 1);
}

TEST_CASE("bounded: whatever frees a connection or a permit serves the oldest caller") {
    fixture<pool::after_idle> f{strict({.max_open = 1}), pool::after_idle{1s}};
    const auto served = [&](const std::function<void()>& act, int id) {
        auto next = f.waits("b");
        act();
        auto got = next.got();
        CHECK(got->id() == id);
        got.detach().close();
        CHECK(f.net.open() == 0);
        CHECK(f.conns.stats().keys == 0);
    };

    SUBCASE("a discarded connection") {
        auto lent = f.acquire("a");
        served([&] { lent.discard(); }, 2);
    }
    SUBCASE("a connection that comes back dead") {
        auto lent = f.acquire("a");
        f.net[1].dead = true;
        served([&] { lent.give_back(); }, 2);
    }
    SUBCASE("a detached connection") {
        auto lent = f.acquire("a");
        served([&] { lent.detach().close(); }, 2);
    }
    SUBCASE("a failed dial") {
        gate dial;
        auto failing = f.fails("a", dial);
        dial.reached.wait();
        served([&] { dial.open.count_down(); }, 1);
        CHECK(failing.error() == "no answer");
    }
    SUBCASE("a bound that grows") {
        auto lent = f.acquire("a");
        auto next = f.waits("b");
        f.conns.reconfigure(strict({.max_open = 2}));
        CHECK(next.got()->id() == 2);
    }
}

TEST_CASE("bounded: whatever frees the permit of a blocked connection serves a caller that waits for its key") {
    fixture<pool::after_idle> f{strict({.max_open_per_key = 1}), pool::after_idle{1s}};
    f.put("a");
    f.net[1].blocked = true;
    auto next = f.waits("a");

    SUBCASE("clear") { CHECK(f.conns.clear() == 1); }
    SUBCASE("clear of the key") { CHECK(f.conns.clear("a") == 1); }
    SUBCASE("expiry") {
        f.clock.advance(1s);
        CHECK(f.conns.expire() == 1);
    }
    SUBCASE("found expired by a look-up") {
        f.clock.advance(1s);
        CHECK_FALSE(f.conns.try_acquire("a"));
        CHECK(f.conns.stats().expired == 1);
    }
    SUBCASE("found dead by a look-up") {
        f.net[1].dead = true;
        CHECK_FALSE(f.conns.try_acquire("a"));
        CHECK(f.conns.stats().found_closed == 1);
    }
    SUBCASE("found dead by a caller that is to wait") {
        f.net[1].dead = true;
        fixture<pool::after_idle>::caller later{[&](const std::stop_token&) { return f.acquire("a"); }};
        auto got = next.got();
        CHECK(got->id() == 2);
        got.give_back();
        CHECK(later.got()->id() == 2);
        return;
    }
    SUBCASE("found dead when the blocked ones are asked again") {
        f.net[1].dead = true;
        f.conns.look_again();
        CHECK(f.conns.stats().found_closed == 1);
    }
    SUBCASE("eviction") { f.conns.reconfigure(strict({.max_open_per_key = 1, .max_idle = 0})); }
    CHECK(next.got()->id() == 2);
}

TEST_CASE("bounded: a connection that comes back blocked is nobody's until it is unblocked") {
    fixture<pool::after_idle> f{strict({.max_open_per_key = 1}), pool::after_idle{1h}};
    auto lent = f.acquire("a");
    auto next = f.waits("a");
    f.net[1].blocked = true;
    lent.give_back();
    CHECK(f.conns.stats("a") == pool::key_stats{.idle = 1, .lent = 0, .dialing = 0, .waiting = 1});

    f.net[1].blocked = false;
    SUBCASE("a newcomer that does not wait does not overtake") { CHECK_FALSE(f.conns.try_acquire("a")); }
    SUBCASE("nor does a newcomer that takes") { CHECK_FALSE(f.conns.take("a")); }
    SUBCASE("nor does a newcomer that may wait") {
        decltype(f)::caller later{[&](const std::stop_token&) { return f.acquire("a"); }};
        auto got = next.got();
        CHECK(got->id() == 1);
        got.give_back();
        CHECK(later.got()->id() == 1);
        return;
    }
    SUBCASE("the pool is told that it is unblocked") { f.conns.look_again(); }
    SUBCASE("the upkeep notices") { CHECK(f.conns.upkeep() == 0); }
    SUBCASE("a look-up of another key does not") {
        CHECK_FALSE(f.conns.try_acquire("b"));
        CHECK(f.conns.stats().waiting == 1);
        f.conns.look_again();
    }
    CHECK(next.got()->id() == 1);
}

TEST_CASE("bounded: a newcomer does not overtake if the connection is unblocked in the middle of the step") {
    /// Blocked for so many questions.
    struct fickle {
        int* left;
        void close() {}
        bool closed() const noexcept { return false; }
        bool unblocked() const noexcept { return (*left)-- <= 0; }
    };
    using pool_type = pool::basic_pool<int, fickle, bounds, pool::never, pool::null_mutex>;
    struct asker final : requests::request<pool_type> {
        asker() : request{false} {}
        bool notified() noexcept override { return true; }
    };
    int left = 100;
    pool_type conns{strict({.max_open_per_key = 1})};
    conns.put(1, fickle{&left});
    asker waits;
    requests::submit(conns, waits, 1);
    REQUIRE(requests::look(conns, waits) == pool::core::request_state::held);

    left = 1;
    SUBCASE("try_acquire") { CHECK_FALSE(conns.try_acquire(1)); }
    SUBCASE("take") { CHECK_FALSE(conns.take(1)); }
    conns.look_again();
    REQUIRE(waits.state() == pool::core::request_state::lent);
    requests::lease_of(conns, waits).give_back();
}

TEST_CASE("bounded: a connection that comes back while another is being closed is kept") {
    fixture f{strict({.max_open = 2})};
    auto first = f.acquire("a");
    auto second = f.acquire("b");
    auto next = f.waits("a");
    auto refused = f.net.dial();
    refused.far().on_close = [&] {
        CHECK(f.conns.stats().closing == 1);
        first.give_back();
    };
    f.conns.put("c", std::move(refused));
    CHECK(next.got()->id() == 1);
}

TEST_CASE("bounded: a caller that could not be told is told after the next step, whatever that is") {
    using pool_type = pool_of<>;
    struct asker final : requests::request<pool_type> {
        asker() : request{false} {}
        bool notified() noexcept override { return ++times > 2; }
        int times = 0;
    };
    fixture f{strict({.max_open = 1})};
    auto lent = f.acquire("a");
    asker waits;
    requests::submit(f.conns, waits, "a");
    CHECK(requests::look(f.conns, waits) == pool::core::request_state::able);
    lent.give_back();
    CHECK(waits.times == 1);
    SUBCASE("a look-up") { CHECK_FALSE(f.conns.try_acquire("b")); }
    SUBCASE("a put") { f.put("c"); }
    SUBCASE("a clear") { CHECK(f.conns.clear() == 0); }
    SUBCASE("an upkeep") {
        f.conns.upkeep();
        CHECK(waits.times == 3);
    }
    f.conns.clear();
    f.conns.clear();
    CHECK(waits.times == 3);  // not told again
    requests::lease_of(f.conns, waits).give_back();
}

TEST_CASE("bounded: a lazy connection waits, too") {
    fixture f{strict({.max_open = 1})};
    auto lazy = f.conns.get("a", f.net.dialer());
    auto lent = f.acquire("a");
    int id = 0;
    std::thread other{[&] { id = lazy.invoke([](fake::connection& conn) { return conn.id(); }); }};
    while (f.conns.stats().waiting == 0) std::this_thread::yield();
    lent.give_back();
    other.join();
    CHECK(id == 1);
}

}  // namespace bounded_order_cases
