// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/sharded_pool.hpp>
#include <pool/testing/probe_lock.hpp>

#include <support/fake.hpp>
#include <support/requests.hpp>

// C7 for policies that depend on the age of a connection: on every path, and to the tick.

using namespace std::chrono_literals;

namespace aged {

/// A connection that counts its resets.
struct resets : fake::connection {
    static inline int count = 0;
};

}  // namespace aged

template <>
struct pool::connection_traits<aged::resets> : pool::member_connection_traits<aged::resets> {
    static void reset(aged::resets&) { ++aged::resets::count; }
};

namespace aged {

using fake::ids;
using pool::after_idle;
using pool::after_lifetime;
using pool::after_uses;
using pool::any_of;

using manual = pool::manual_clock;
using lock = pool::testing::probe_lock;
using time_point = manual::time_point;

/// A connection with a deadline of its own.
struct announced : fake::connection {
    announced(fake::connection from, std::chrono::nanoseconds lasts)
        : fake::connection{std::move(from)},
          keeps{lasts} {}
    std::chrono::nanoseconds expires() const noexcept { return keeps; }
    std::chrono::nanoseconds keeps;
};

struct idle_bounded {
    template <class Expiry, class Conn = fake::connection>
    using pool_of = pool::basic_pool<std::string, Conn, pool::bounded, Expiry, lock, manual>;
};
struct open_bounded {
    template <class Expiry, class Conn = fake::connection>
    using pool_of = pool::basic_pool<std::string, Conn, pool::bounded_open, Expiry, lock, manual>;
};
struct sharded {
    template <class Expiry, class Conn = fake::connection>
    using pool_of = pool::sharded_pool<2, std::string, Conn, pool::bounded, Expiry, lock, manual>;
};

/// A pool, its clock and its peers.
template <class Pools, class Expiry>
struct fixture {
    explicit fixture(Expiry expiry) : conns{{}, std::move(expiry), {}, time} {}

    auto acquire() { return conns.acquire("a", net.dialer()); }

    fake::network net;
    manual time;
    typename Pools::template pool_of<Expiry> conns;
};

#define EACH_AGED_POOL(name) TEST_CASE_TEMPLATE(name, Pools, idle_bounded, open_bounded, sharded)

EACH_AGED_POOL("age: a connection past its lifetime is not handed out, however short it was idle [C7]") {
    fixture<Pools, after_lifetime> f{10s};
    for (int i = 0; i != 9; ++i) {
        f.time.advance(1s);
        f.acquire().give_back();
    }
    CHECK(f.net.dials() == 1);  // at 1 s
    f.time.advance(2s - 1ns);
    CHECK(f.conns.try_acquire("a"));
    f.time.advance(1ns);
    SUBCASE("by take") { CHECK_FALSE(f.conns.take("a")); }
    SUBCASE("by try_acquire") { CHECK_FALSE(f.conns.try_acquire("a")); }
    SUBCASE("by acquire") { CHECK(f.acquire()->id() == 2); }
    SUBCASE("by a lazy connection") { CHECK(f.conns.get("a", f.net.dialer()).invoke(&fake::connection::id) == 2); }
    CHECK(f.conns.stats().expired == 1);
}

EACH_AGED_POOL("age: the lifetime counts from the end of the dial [C7]") {
    fixture<Pools, after_lifetime> f{10s};
    (void)f.conns.acquire("a", [&](const std::string&) {
        f.time.advance(5s);
        return f.net.dial();
    });
    f.time.advance(10s - 1ns);
    CHECK(f.conns.expire() == 0);
    f.time.advance(1ns);
    CHECK(f.conns.expire() == 1);
}

EACH_AGED_POOL("age: the lifetime of a connection that is put counts from then [C7]") {
    fixture<Pools, after_lifetime> f{10s};
    auto old = f.net.dial();
    f.time.advance(5s);
    f.conns.put("a", std::move(old));
    f.time.advance(10s - 1ns);
    CHECK(f.conns.expire() == 0);
    f.time.advance(1ns);
    CHECK(f.conns.expire() == 1);
}

EACH_AGED_POOL("age: a lent connection past its lifetime is closed when it is given back [C7]") {
    fixture<Pools, after_lifetime> f{10s};
    auto lent = f.acquire();
    f.time.advance(10s);
    CHECK(f.conns.expire() == 0);
    CHECK(f.net.closed() == ids{});
    lent.give_back();
    CHECK(f.net.closed() == ids{1});
    CHECK(f.conns.stats().expired == 1);
    CHECK(f.conns.stats().puts == 1);
}

EACH_AGED_POOL("age: each connection has its own number, and keeps it [C7]") {
    constexpr std::uint64_t seed = 5;
    after_lifetime policy{100s, 0.5, seed};
    fixture<Pools, after_lifetime> f{policy};
    std::vector<time_point> expected;
    {
        std::vector<decltype(f.acquire())> lent;
        for (int i = 0; i != 8; ++i) {
            lent.push_back(f.acquire());
            const std::uint32_t kept = policy.draw() >> 20 << 20;  // its 12 highest bits
            expected.push_back(policy.expires_at(time_point{}, {.draw = kept}));
        }
    }
    CHECK(expected.front() != expected.back());
    for (int i = 0; i != 20; ++i) f.acquire().give_back();  // which changes no number
    std::sort(expected.begin(), expected.end());
    f.time.set(time_point{49s});  // so that a new one would expire later than the first
    for (const time_point each : expected) {
        CHECK(f.conns.next_expiry() == each);
        f.time.set(each - 1ns);
        CHECK(f.conns.expire() == 0);
        f.time.set(each);
        CHECK(f.conns.expire() == 1);
    }
}

EACH_AGED_POOL("age: a connection is closed after its last use [C7]") {
    fixture<Pools, after_uses> f{after_uses{3}};
    for (int i = 0; i != 3; ++i) {
        CHECK(f.acquire()->id() == 1);
        CHECK(f.net.closed() == (i == 2 ? ids{1} : ids{}));
    }
    CHECK(f.acquire()->id() == 2);
    CHECK(f.conns.stats().expired == 1);
}

EACH_AGED_POOL("age: to be put is no use, and with no uses nothing is kept [C7]") {
    fixture<Pools, after_uses> one{after_uses{1}};
    one.conns.put("a", one.net.dial());
    CHECK(one.acquire()->id() == 1);
    CHECK(one.net.closed() == ids{1});
    fixture<Pools, after_uses> none{after_uses{0}};
    none.conns.put("a", none.net.dial());
    CHECK(none.net.closed() == ids{1});
    CHECK(none.conns.next_expiry() == time_point::max());
}

EACH_AGED_POOL("age: a deadline of the connection's own counts from the give-back [C7]") {
    fake::network net;
    manual time;
    typename Pools::template pool_of<any_of<after_idle, pool::at_own_deadline>, announced> conns{
        {}, any_of{after_idle{10s}, pool::at_own_deadline{}}, {}, time};
    const auto dial = [&](const std::string&) { return announced{net.dial(), 5s}; };
    auto lent = conns.acquire("a", dial);
    time.advance(60s);
    lent.give_back();
    time.advance(5s - 1ns);
    lent = conns.try_acquire("a");
    REQUIRE(lent);
    lent->keeps = 1h;
    lent.give_back();
    time.advance(10s - 1ns);
    lent = conns.try_acquire("a");
    REQUIRE(lent);
    lent->keeps = 0s;
    lent.give_back();
    CHECK(net.closed() == ids{1});
    conns.put("a", announced{net.dial(), 3s});
    CHECK(conns.next_expiry() == time.now() + 3s);
    time.advance(3s);
    CHECK(conns.expire() == 1);
}

EACH_AGED_POOL("age: a reaper looks often enough for the deadlines of connections that are lent") {
    fake::network net;
    manual time;
    typename Pools::template pool_of<pool::at_own_deadline, announced> conns{{}, {}, {}, time};
    CHECK(conns.next_upkeep() <= time.now() + 1s);
}

EACH_AGED_POOL("age: no connection that comes back expires before the next expiry [C7]") {
    fixture<Pools, any_of<after_idle, after_lifetime>> f{any_of{after_idle{10s}, after_lifetime{60s}}};
    CHECK(f.conns.next_expiry() == time_point{10s});
    auto lent = f.acquire();
    f.time.set(time_point{51s});
    CHECK(f.conns.next_expiry() == time_point{60s});  // not 61 s
    CHECK(f.conns.expire() == 0);
    f.time.set(time_point{55s});
    lent.give_back();
    CHECK(f.conns.next_expiry() == time_point{60s});
    f.time.set(time_point{60s});
    CHECK(f.conns.expire() == 1);
}

EACH_AGED_POOL("age: a connection that will not be kept wakes no reaper [C7]") {
    fixture<Pools, after_lifetime> f{10s};
    auto lent = f.acquire();
    CHECK(f.conns.next_expiry() == time_point{10s});
    f.time.set(time_point{10s});
    CHECK(f.conns.next_expiry() == time_point{20s});  // of a new one
}

EACH_AGED_POOL("age: a sweep leaves what is lent, and finds it again [C7]") {
    fixture<Pools, any_of<after_idle, after_lifetime>> f{any_of{after_idle{10s}, after_lifetime{60s}}};
    auto lent = f.acquire();
    for (int i = 1; i != 6; ++i) {
        f.time.set(time_point{i * 10s});
        CHECK(f.conns.expire() == 0);
    }
    CHECK(f.conns.stats().lent == 1);
    lent.give_back();
    f.time.set(time_point{60s} - 1ns);
    CHECK(f.conns.expire() == 0);
    f.time.set(time_point{60s});
    CHECK(f.conns.expire() == 1);
}

EACH_AGED_POOL("age: a clock that jumps back is harmless [C18]") {
    fixture<Pools, any_of<after_idle, after_lifetime>> f{any_of{after_idle{10s}, after_lifetime{60s}}};
    f.time.set(time_point{1000s});
    auto lent = f.acquire();
    f.time.set(time_point{5s});
    CHECK(f.conns.expire() == 0);
    lent.give_back();
    CHECK(f.conns.next_expiry() == time_point{15s});
    f.time.set(time_point{15s});
    CHECK(f.conns.expire() == 1);
}

TEST_CASE("age: a connection that may not be kept is not handed to a caller that waits, who gets its permit [C7]") {
    using pool_type = open_bounded::pool_of<after_uses>;
    struct caller final : requests::request<pool_type> {
        caller() : request{true} {}
        bool notified() noexcept override { return true; }
    };
    fake::network net;
    pool_type conns{{.max_open = 1, .patience = 0s}, after_uses{1}};
    auto lent = conns.acquire("a", net.dialer());
    caller waits;
    requests::submit(conns, waits, "a");
    CHECK(requests::look(conns, waits) == pool::core::request_state::able);
    lent.give_back();
    CHECK(net.closed() == ids{1});
    CHECK(requests::look(conns, waits) == pool::core::request_state::may_dial);
    auto dial = net.dialer();
    auto& state = requests::state(conns);
    state.dial_succeeded(waits, state.dial(waits, dial, {}));
    REQUIRE(requests::look(conns, waits) == pool::core::request_state::lent);
    state.finish(waits.lent());
    CHECK(net.closed() == ids{2});
}

TEST_CASE("age: a connection is not reset after its last use [C7]") {
    fake::network net;
    open_bounded::pool_of<after_uses, resets> conns{{}, after_uses{2}};
    const auto dial = [&](const std::string&) { return resets{net.dial()}; };
    resets::count = 0;
    conns.acquire("a", dial).give_back();
    CHECK(resets::count == 1);
    conns.acquire("a", dial).give_back();
    CHECK(resets::count == 1);
    CHECK(net.closed() == ids{1});
}

// The expiry policy can be replaced.

EACH_AGED_POOL("age: idle connections obey a shorter time to live [C7]") {
    fixture<Pools, after_idle> f{1h};
    f.conns.put("a", f.net.dial());
    f.time.advance(30min);
    CHECK(f.conns.reconfigure(after_idle{1min}) == 0);
    CHECK(f.conns.next_expiry() == time_point{31min});
    f.time.advance(1min);
    CHECK(f.conns.expire() == 1);
}

EACH_AGED_POOL("age: a longer time to live holds from the next give-back on [C7]") {
    fixture<Pools, after_idle> f{1h};
    f.conns.put("a", f.net.dial());
    f.conns.put("b", f.net.dial());
    CHECK(f.conns.reconfigure(after_idle{2h}) == 0);
    (void)f.conns.try_acquire("b");
    f.time.advance(1h);
    CHECK(f.conns.expire() == 1);
    CHECK(f.net.closed() == ids{1});
    f.time.advance(1h);
    CHECK(f.conns.expire() == 1);
}

EACH_AGED_POOL("age: a shorter lifetime holds for what is idle and what is lent [C7]") {
    fixture<Pools, after_lifetime> f{1h};
    auto lent = f.acquire();
    f.conns.put("a", f.net.dial());
    f.time.advance(5min);
    f.conns.put("b", f.net.dial());
    f.time.advance(5min);
    CHECK(f.conns.reconfigure(after_lifetime{10min}) == 1);
    CHECK(f.net.closed() == ids{2});
    CHECK(f.conns.next_expiry() == time_point{15min});
    lent.give_back();
    CHECK(f.net.closed() == ids{1});
    CHECK(f.conns.stats().expired == 2);
    CHECK(f.conns.stats().evicted == 0);
}

EACH_AGED_POOL("age: with a shorter lifetime, a lent connection that comes back expires no earlier than announced [C7]") {
    fixture<Pools, after_lifetime> f{1h};
    auto lent = f.acquire();
    f.time.advance(5min);
    f.conns.put("a", f.net.dial());  // idle, and after it in every order
    CHECK(f.conns.reconfigure(after_lifetime{10min}) == 0);
    f.time.advance(1min);
    CHECK(f.conns.next_expiry() == time_point{10min});
    lent.give_back();
    f.time.set(time_point{10min});
    CHECK(f.conns.expire() == 1);
    CHECK(f.net.closed() == ids{1});
}

EACH_AGED_POOL("age: new bounds and a new expiry policy do not disturb each other [C2] [C7]") {
    fixture<Pools, after_idle> f{1h};
    for (int i = 0; i != 300; ++i) f.conns.put(std::to_string(i), f.net.dial());
    f.time.advance(1min);
    CHECK(f.conns.reconfigure(after_idle{1min}) == 0);
    CHECK(f.conns.reconfigure({.max_idle_per_key = 1}) == 0);
    CHECK(f.conns.next_expiry() == time_point{2min});
    f.time.advance(1min);
    CHECK(f.conns.expire() == 300);
    f.conns.put("a", f.net.dial());
    CHECK(f.conns.reconfigure(after_idle{0s}) == 1);
    f.conns.put("a", f.net.dial());
    CHECK(f.conns.stats().idle == 0);
}

}  // namespace aged
