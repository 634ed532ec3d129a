// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <mutex>
#include <stdexcept>
#include <string>
#include <type_traits>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/pools.hpp>

using namespace std::chrono_literals;

using fake::default_fixture;
using fake::ids;
using fake::timed_pool;

TEST_CASE_FIXTURE(default_fixture, "basic_pool: a pool without arguments keeps every connection that comes back") {
    for (int i = 0; i < 100; ++i) conns.put("a", net.dial());
    CHECK(conns.stats("a").idle == 100);
    CHECK(conns.name().empty());
}

TEST_CASE("basic_pool: the constructor takes capacity, expiry, settings and clock") {
    fake::network net;
    pool::manual_clock clock;
    timed_pool conns{{.max_idle_per_key = 2}, 10s, {.reuse = pool::reuse_order::newest_first, .name = "peers"}, clock};
    for (int i = 0; i < 3; ++i) conns.put("a", net.dial());
    CHECK(net.closed() == ids{1});
    CHECK(conns.try_acquire("a")->id() == 3);
    CHECK(conns.name() == "peers");
    clock.advance(10s);
    CHECK(conns.clock().now() == clock.now());
    CHECK(conns.expire() == 2);
}

TEST_CASE("basic_pool: a pool stays where it is") {
    static_assert(!std::is_copy_constructible_v<timed_pool> && !std::is_copy_assignable_v<timed_pool>);
    static_assert(!std::is_move_constructible_v<timed_pool> && !std::is_move_assignable_v<timed_pool>);
}

namespace {

/// Keeps more of some keys than of others.
struct by_tenant {
    std::size_t max_idle() const noexcept { return pool::no_limit; }
    std::size_t max_idle_for(const std::string& tenant) const noexcept { return tenant == "large" ? 3 : 1; }
};

/// Must not be read.
struct stopped_clock : std::chrono::steady_clock {
    static time_point now() { throw std::logic_error{"read"}; }
};

}  // namespace

TEST_CASE("basic_pool: a capacity policy is asked for the key at hand [C2]") {
    fake::network net;
    pool::basic_pool<std::string, fake::connection, by_tenant> conns;
    for (int i = 0; i < 4; ++i) conns.put("large", net.dial());
    for (int i = 0; i < 4; ++i) conns.put("small", net.dial());
    CHECK(conns.stats("large").idle == 3);
    CHECK(conns.stats("small").idle == 1);
}

TEST_CASE("basic_pool: where nothing expires, the clock is not read") {
    using untimed_pool =
        pool::basic_pool<int, fake::connection, pool::unlimited, pool::never, std::mutex, stopped_clock>;
    static_assert(!untimed_pool::can_expire);
    fake::network net;
    untimed_pool conns;
    (void)conns.acquire(1, net.dialer());
    conns.put(1, net.dial());
    conns.take(1)->close();
    CHECK(conns.clear() == 1);
}
