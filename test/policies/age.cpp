// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <ratio>
#include <tuple>
#include <type_traits>

#include <doctest/doctest.h>

#include <pool/policies/clock.hpp>
#include <pool/policies/expiry.hpp>

// The expiry policies that depend on the age of a connection, alone.

using namespace std::chrono_literals;
using pool::after_idle;
using pool::after_lifetime;
using pool::after_uses;
using pool::any_of;
using pool::at_own_deadline;

namespace {

using manual_time = pool::manual_clock::time_point;
using age = pool::connection_age<manual_time>;

constexpr auto no_time = manual_time::max();
constexpr auto highest = std::numeric_limits<std::uint32_t>::max();
constexpr manual_time after(std::chrono::nanoseconds since_start) { return manual_time{since_start}; }

}  // namespace

TEST_CASE("after_lifetime: the age counts from the end of the dial, however long it is idle") {
    constexpr after_lifetime policy{10s};
    static_assert(policy.expires_at(after(3s), age{.opened = after(1s)}) == after(11s));
    CHECK(policy.expires_at(after(10s), age{.opened = after(1s)}) == after(11s));
    CHECK(policy.expires_at(after(60s), age{.opened = after(1s)}) == after(11s));
    CHECK(policy.expires_at(after(3s), age{.opened = after(1s), .uses = 7, .draw = highest}) == after(11s));
}

TEST_CASE("after_lifetime: the jitter takes away a part of its share, exact to a nanosecond") {
    const after_lifetime policy{1h, 0.25, 1};
    const auto of = [&](std::uint32_t draw) { return policy.expires_at(after(0s), age{.draw = draw}); };
    CHECK(policy.spread() == 15min);
    CHECK(of(0) == after(60min));
    CHECK(of(1) == after(60min - 209ns));  // 15 min / 2^32 = 209.5 ns
    CHECK(of(1U << 31) == after(60min - 450s));
    CHECK(of(highest) == after(45min + 210ns));
}

TEST_CASE("after_lifetime: a jitter of the longest time does not overflow [C18]") {
    constexpr std::chrono::nanoseconds longest = std::chrono::nanoseconds::max() - 1ns;
    const after_lifetime policy{longest, 1, 1};
    CHECK(policy.expires_at(after(0s), age{.draw = 0}) == after(longest));
    const auto half = policy.expires_at(after(0s), age{.draw = 1U << 31}).time_since_epoch();
    CHECK(half == longest - longest / 2);
    CHECK(policy.expires_at(after(0s), age{.draw = highest}) > after(0s));
    CHECK(policy.expires_at(after(0s), age{.opened = after(2ns)}) == no_time);
    CHECK(policy.expires_at(after(0s), age{.opened = after(1ns)}) == no_time);  // which max() means
}

TEST_CASE("after_lifetime: a share that is none is limited to what is one") {
    CHECK(after_lifetime{10s, -0.5, 1}.spread() == 0s);
    CHECK(after_lifetime{10s, std::numeric_limits<double>::quiet_NaN(), 1}.spread() == 0s);
    CHECK(after_lifetime{10s, 1.5, 1}.spread() == 10s);
    CHECK(after_lifetime{-10s, 0.5, 1}.spread() == 0s);
    CHECK(after_lifetime{3ns, 0.5, 1}.spread() == 2ns);  // a part of a tick is rounded up
}

TEST_CASE("after_lifetime: without a time to live nothing expires, and with none left nothing is kept") {
    CHECK(after_lifetime{}.expires_at(after(5s), age{}) == no_time);
    CHECK(after_lifetime{std::chrono::hours::max()}.expires_at(after(5s), age{}) == no_time);
    CHECK(after_lifetime{0s}.expires_at(after(5s), age{.opened = after(5s)}) == after(5s));
    CHECK(after_lifetime{-1s}.expires_at(after(5s), age{.opened = after(5s)}) == after(4s));
    CHECK(after_lifetime{1s, 0.5}.expires_at(after(5s), age{.opened = manual_time::max()}) == no_time);
}

TEST_CASE("after_lifetime: on a coarse clock, nothing expires a tick early") {
    using coarse = std::chrono::time_point<pool::manual_clock, std::chrono::duration<std::int64_t, std::milli>>;
    const after_lifetime policy{10ms, 0.25, 1};
    CHECK(policy.expires_at(coarse{}, {.draw = 1U << 31}) == coarse{9ms});  // 8.75 ms
    CHECK(policy.expires_at(coarse{}, {.draw = highest}) == coarse{8ms});
}

TEST_CASE("after_lifetime: a seed has its own numbers, always the same") {
    after_lifetime policy{1h, 0.1, 42};
    // The first numbers of splitmix64, the upper half of each.
    CHECK(policy.draw() == 0xbdd7'3226);
    CHECK(policy.draw() == 0x28ef'e333);
    CHECK(policy.draw() == 0x4752'6757);
    after_lifetime same{1h, 0.1, 42}, other{1h, 0.1, 43};
    CHECK(same.draw() == 0xbdd7'3226);
    CHECK(other.draw() != 0xbdd7'3226);
}

TEST_CASE("after_lifetime: without a seed, two policies draw different numbers") {
    after_lifetime a{1h, 0.1}, b{1h, 0.1};
    bool differs = false;
    for (int i = 0; i != 4; ++i) differs |= a.draw() != b.draw();
    CHECK(differs);
}

TEST_CASE("after_uses: the last use is the n-th") {
    constexpr after_uses policy{3};
    CHECK(policy.expires_at(after(5s), age{.uses = 2}) == no_time);
    CHECK(policy.expires_at(after(5s), age{.uses = 3}) == after(5s));
    CHECK(policy.expires_at(after(5s), age{.uses = 4}) == after(5s));
    CHECK(after_uses{0}.expires_at(after(5s), age{}) == after(5s));
}

TEST_CASE("after_uses: what cannot be counted is no bound") {
    constexpr std::uint32_t most = after_uses::countable;
    CHECK(after_uses{}.expires_at(after(5s), age{.uses = most}) == no_time);
    CHECK(after_uses{most}.expires_at(after(5s), age{.uses = most}) == after(5s));
    CHECK(after_uses{most + 1}.expires_at(after(5s), age{.uses = most}) == no_time);
    CHECK(after_uses{std::numeric_limits<std::size_t>::max()}.expires_at(after(5s), age{.uses = most}) == no_time);
}

TEST_CASE("at_own_deadline: it is the connection's") {
    CHECK(at_own_deadline{}.expires_at(after(5s), age{}) == no_time);
    CHECK(at_own_deadline{}.expires_at(after(5s), age{.deadline = after(7s)}) == after(7s));
}

TEST_CASE("any_of: the earliest time counts") {
    const any_of policy{after_idle{10s}, after_lifetime{60s}, after_uses{3}};
    CHECK(policy.expires_at(after(5s), age{}) == after(15s));
    CHECK(policy.expires_at(after(55s), age{}) == after(60s));
    CHECK(policy.expires_at(after(5s), age{.uses = 3}) == after(5s));
    CHECK(any_of<after_idle, after_lifetime>{}.expires_at(after(5s), age{}) == no_time);
    CHECK(any_of{pool::never{}, after_lifetime{60s}}.expires_at(after(5s), age{}) == after(60s));
    CHECK(policy.get<after_idle>().ttl() == 10s);
}

TEST_CASE("any_of: it asks for what its policies ask for, and no more") {
    using pool::age_facts;
    static_assert(any_of<after_idle>::asks == age_facts{});
    static_assert(any_of<after_idle, after_uses>::asks == age_facts{.uses = true});
    static_assert(
        any_of<after_lifetime, at_own_deadline>::asks == age_facts{.opened = true, .draw = true, .deadline = true});
    static_assert(any_of<after_idle, any_of<after_lifetime, after_uses>>::asks ==
                  age_facts{.opened = true, .uses = true, .draw = true});
    static_assert(!any_of<>::can_expire && !any_of<pool::never>::can_expire);
    static_assert(any_of<pool::never, after_idle>::can_expire);
}

TEST_CASE("any_of: one number is drawn for all") {
    after_lifetime alone{1h, 0.1, 42};
    any_of policy{after_idle{1min}, after_lifetime{1h, 0.1, 42}, after_lifetime{2h, 0.5, 7}};
    CHECK(policy.draw() == alone.draw());
    CHECK(policy.draw() == alone.draw());
    any_of nested{after_uses{3}, any_of{after_idle{1min}, after_lifetime{1h, 0.1, 42}}};
    CHECK(nested.draw() == 0xbdd7'3226);
}

TEST_CASE("any_of: policies without state take no space") {
    static_assert(sizeof(any_of<at_own_deadline, after_idle>) == sizeof(after_idle));
    // Some standard libraries have tuples that are never empty.
    constexpr bool tuples_are_empty = std::is_empty_v<std::tuple<at_own_deadline, pool::never>>;
    static_assert(std::is_empty_v<any_of<at_own_deadline, pool::never>> == tuples_are_empty);
}
