// SPDX-License-Identifier: BSL-1.0
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/testing/failure_point.hpp>

#include <support/pools.hpp>

using fake::default_fixture;
using fake::default_pool;
using fake::ids;

namespace {

using lease = default_pool::lease_type;

}  // namespace

// Properties

TEST_CASE("lease: it is two pointers, moves without throwing, and is not copied [C15]") {
    static_assert(sizeof(lease) == 2 * sizeof(void*));
    static_assert(std::is_nothrow_move_constructible_v<lease> && std::is_nothrow_move_assignable_v<lease>);
    static_assert(std::is_nothrow_swappable_v<lease>);
    static_assert(!std::is_copy_constructible_v<lease> && !std::is_copy_assignable_v<lease>);
}

TEST_CASE("lease: one without a connection is empty") {
    const lease none;
    CHECK_FALSE(none);
}

TEST_CASE_FIXTURE(default_fixture, "lease: it is used like a pointer, and knows its key") {
    const auto lent = conns.acquire("a", net.dialer());
    REQUIRE(lent);
    CHECK(lent->id() == 1);
    CHECK((*lent).id() == 1);
    CHECK(&*lent == lent.operator->());
    CHECK(lent.key() == "a");
}

TEST_CASE_FIXTURE(default_fixture, "lease: it says whether its connection was idle before") {
    CHECK_FALSE(conns.acquire("a", net.dialer()).reused());
    CHECK(conns.acquire("a", net.dialer()).reused());
    CHECK(conns.try_acquire("a").reused());
}

TEST_CASE_FIXTURE(
    default_fixture, "lease: a connection keeps its address while the lease moves and others come and go [C15]") {
    auto lent = conns.acquire("a", net.dialer());
    const auto* const address = &*lent;
    for (int i = 0; i < 1000; ++i) conns.put("a", net.dial());
    const auto moved = std::move(lent);
    CHECK(&*moved == address);
}

// Ends

TEST_CASE_FIXTURE(default_fixture, "lease: the end of its scope gives the connection back") {
    {
        const auto lent = conns.acquire("a", net.dialer());
        CHECK(conns.stats("a") == pool::key_stats{.idle = 0, .lent = 1});
    }
    CHECK(conns.stats("a") == pool::key_stats{.idle = 1, .lent = 0});
}

TEST_CASE_FIXTURE(default_fixture, "lease: give_back gives back at once, and leaves it empty [C15]") {
    auto lent = conns.acquire("a", net.dialer());
    lent.give_back();
    CHECK_FALSE(lent);
    CHECK(conns.stats() == pool::stats{.misses = 1, .dials = 1, .puts = 1, .idle = 1, .keys = 1});
}

TEST_CASE_FIXTURE(default_fixture, "lease: a second return does nothing [C15]") {
    auto lent = conns.acquire("a", net.dialer());
    lent.give_back();
    lent.give_back();
    lent.discard();
    CHECK(conns.stats().idle == 1);
    CHECK(conns.stats().puts == 1);
}

TEST_CASE_FIXTURE(default_fixture, "lease: discard closes, and leaves it empty [C15]") {
    auto lent = conns.acquire("a", net.dialer());
    lent.discard();
    CHECK_FALSE(lent);
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats() == pool::stats{.misses = 1, .dials = 1, .discarded = 1});
}

TEST_CASE_FIXTURE(default_fixture, "lease: discarding a dead connection closes it, once [C1]") {
    auto lent = conns.acquire("a", net.dialer());
    net[1].dead = true;
    lent.discard();
    CHECK(net.closed() == ids{1});
}

TEST_CASE_FIXTURE(default_fixture, "lease: detach hands over the connection, and leaves it empty [C15]") {
    auto lent = conns.acquire("a", net.dialer());
    auto mine = lent.detach();
    CHECK_FALSE(lent);
    CHECK(conns.stats() == pool::stats{.misses = 1, .dials = 1, .detached = 1});
    CHECK_FALSE(mine.closed());
    mine.close();
}

TEST_CASE("lease: a detach that cannot move the connection changes nothing [C12]") {
    fake::network net;
    pool::basic_pool<std::string, fake::fragile_connection> conns;
    auto lent = conns.acquire("a", [&](const std::string&) { return fake::fragile_connection{net.dial()}; });
    net[1].stuck = true;
    CHECK_THROWS_WITH((void)lent.detach(), "stuck");
    REQUIRE(lent);
    CHECK(conns.stats() == pool::stats{.misses = 1, .dials = 1, .lent = 1, .keys = 1});
    lent.give_back();
    CHECK(conns.stats("a").idle == 1);
}

TEST_CASE("lease: a detach moves the connection once, so that it cannot fail half-way [C12]") {
    using pool::testing::point;
    fake::network net;
    pool::basic_pool<std::string, fake::fragile_connection> conns;
    auto lent = conns.acquire("a", [&](const std::string&) { return fake::fragile_connection{net.dial()}; });
    CHECK(pool::testing::points_of(point::move, [&] { lent.detach().close(); }) == 1);
    CHECK(conns.stats().detached == 1);
}

// Moves

TEST_CASE_FIXTURE(default_fixture, "lease: a moved-from one is empty, and its end gives nothing back [C15]") {
    std::optional<lease> kept;
    {
        auto lent = conns.acquire("a", net.dialer());
        kept = std::move(lent);
        CHECK_FALSE(lent);
    }
    CHECK(conns.stats("a").lent == 1);
    kept.reset();
    CHECK(conns.stats("a").idle == 1);
}

TEST_CASE_FIXTURE(default_fixture, "lease: assignment gives its own connection back first [C15]") {
    auto lent = conns.acquire("a", net.dialer());
    auto other = conns.acquire("a", net.dialer());
    lent = std::move(other);
    CHECK(lent->id() == 2);
    CHECK_FALSE(other);
    CHECK(conns.try_acquire("a")->id() == 1);
}

TEST_CASE_FIXTURE(default_fixture, "lease: assignment of an empty one gives the connection back [C15]") {
    auto lent = conns.acquire("a", net.dialer());
    lent = {};
    CHECK_FALSE(lent);
    CHECK(conns.stats("a").idle == 1);
}

TEST_CASE("lease: assignment across pools gives back to the right one [C15]") {
    fake::network net;
    default_pool first;
    default_pool second;
    auto lent = first.acquire("a", net.dialer());
    lent = second.acquire("a", net.dialer());
    lent.give_back();
    CHECK(first.try_acquire("a")->id() == 1);
    CHECK(second.try_acquire("a")->id() == 2);
}

TEST_CASE_FIXTURE(default_fixture, "lease: moving it to itself does nothing [C15]") {
    auto lent = conns.acquire("a", net.dialer());
    auto& same = lent;
    lent = std::move(same);
    REQUIRE(lent);
    CHECK(lent->id() == 1);
    CHECK(conns.stats("a").lent == 1);
}

TEST_CASE_FIXTURE(default_fixture, "lease: two can be swapped [C15]") {
    auto a = conns.acquire("a", net.dialer());
    auto b = conns.acquire("b", net.dialer());
    std::swap(a, b);
    CHECK(a->id() == 2);
    CHECK(b->id() == 1);
    CHECK(conns.stats().puts == 0);
}

TEST_CASE_FIXTURE(default_fixture, "lease: a container of them gives back what is erased from it") {
    std::vector<lease> all;
    for (int i = 0; i < 5; ++i) all.push_back(conns.acquire("a", net.dialer()));
    all.erase(all.begin() + 1);
    CHECK(conns.try_acquire("a")->id() == 2);
    CHECK(all[1]->id() == 3);
    all.clear();
    CHECK(conns.stats("a") == pool::key_stats{.idle = 5, .lent = 0});
}
