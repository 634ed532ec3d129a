// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <optional>
#include <stdexcept>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/fake.hpp>

namespace {

using ids = std::vector<int>;
using test_pool = pool::basic_pool<std::string, fake::connection>;
using lease = test_pool::lease_type;

struct failure {};

/// Calls `f` where an exception is on its way out.
template <class F>
void during_an_exception(F f) {
    struct at_exit {
        F& call;
        ~at_exit() { call(); }
    };
    try {
        const at_exit guard{f};
        throw failure{};
    } catch (const failure&) {
    }
}

}  // namespace

// What it is

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

TEST_CASE("lease: it is used like a pointer, and knows its key") {
    fake::network net;
    test_pool conns;
    const auto lent = conns.acquire("a", net.dialer());
    REQUIRE(lent);
    CHECK(lent->id() == 1);
    CHECK((*lent).id() == 1);
    CHECK(&*lent == lent.operator->());
    CHECK(lent.key() == "a");
}

TEST_CASE("lease: it says whether its connection was idle before") {
    fake::network net;
    test_pool conns;
    CHECK_FALSE(conns.acquire("a", net.dialer()).reused());
    CHECK(conns.acquire("a", net.dialer()).reused());
    CHECK(conns.try_acquire("a").reused());
}

TEST_CASE("lease: a connection keeps its address while the lease moves and others come and go [C15]") {
    fake::network net;
    test_pool conns;
    auto lent = conns.acquire("a", net.dialer());
    const auto* const address = &*lent;
    for (int i = 0; i < 1000; ++i) conns.put("a", net.dial());
    const auto moved = std::move(lent);
    CHECK(&*moved == address);
}

// Its ends

TEST_CASE("lease: the end of its scope gives the connection back") {
    fake::network net;
    test_pool conns;
    {
        const auto lent = conns.acquire("a", net.dialer());
        CHECK(conns.stats("a") == pool::key_stats{.idle = 0, .lent = 1});
    }
    CHECK(conns.stats("a") == pool::key_stats{.idle = 1, .lent = 0});
}

TEST_CASE("lease: give_back gives back at once, and leaves it empty [C15]") {
    fake::network net;
    test_pool conns;
    auto lent = conns.acquire("a", net.dialer());
    lent.give_back();
    CHECK_FALSE(lent);
    CHECK(conns.stats() == pool::stats{.misses = 1, .dials = 1, .puts = 1, .idle = 1, .keys = 1});
}

TEST_CASE("lease: a second return does nothing [C15]") {
    fake::network net;
    test_pool conns;
    auto lent = conns.acquire("a", net.dialer());
    lent.give_back();
    lent.give_back();
    lent.discard();
    CHECK(conns.stats().idle == 1);
    CHECK(conns.stats().puts == 1);
}

TEST_CASE("lease: discard closes, and leaves it empty [C15]") {
    fake::network net;
    test_pool conns;
    auto lent = conns.acquire("a", net.dialer());
    lent.discard();
    CHECK_FALSE(lent);
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats() == pool::stats{.misses = 1, .dials = 1, .discarded = 1});
}

TEST_CASE("lease: to discard a dead connection does not close it") {
    fake::network net;
    test_pool conns;
    auto lent = conns.acquire("a", net.dialer());
    net[1].dead = true;
    lent.discard();
    CHECK(net.closed().empty());
}

TEST_CASE("lease: detach hands over the connection, and leaves it empty [C15]") {
    fake::network net;
    test_pool conns;
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

// Moves

TEST_CASE("lease: a moved-from one is empty, and its end gives nothing back [C15]") {
    fake::network net;
    test_pool conns;
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

TEST_CASE("lease: assignment gives its own connection back first [C15]") {
    fake::network net;
    test_pool conns;
    auto lent = conns.acquire("a", net.dialer());
    auto other = conns.acquire("a", net.dialer());
    lent = std::move(other);
    CHECK(lent->id() == 2);
    CHECK_FALSE(other);
    CHECK(conns.try_acquire("a")->id() == 1);
}

TEST_CASE("lease: assignment of an empty one gives the connection back [C15]") {
    fake::network net;
    test_pool conns;
    auto lent = conns.acquire("a", net.dialer());
    lent = {};
    CHECK_FALSE(lent);
    CHECK(conns.stats("a").idle == 1);
}

TEST_CASE("lease: assignment across pools gives back to the right one [C15]") {
    fake::network net;
    test_pool first;
    test_pool second;
    auto lent = first.acquire("a", net.dialer());
    lent = second.acquire("a", net.dialer());
    lent.give_back();
    CHECK(first.try_acquire("a")->id() == 1);
    CHECK(second.try_acquire("a")->id() == 2);
}

TEST_CASE("lease: to move it to itself does nothing [C15]") {
    fake::network net;
    test_pool conns;
    auto lent = conns.acquire("a", net.dialer());
    auto& same = lent;
    lent = std::move(same);
    REQUIRE(lent);
    CHECK(lent->id() == 1);
    CHECK(conns.stats("a").lent == 1);
}

TEST_CASE("lease: two can be swapped [C15]") {
    fake::network net;
    test_pool conns;
    auto a = conns.acquire("a", net.dialer());
    auto b = conns.acquire("b", net.dialer());
    std::swap(a, b);
    CHECK(a->id() == 2);
    CHECK(b->id() == 1);
    CHECK(conns.stats().puts == 0);
}

TEST_CASE("lease: a container of them gives back what is erased from it") {
    fake::network net;
    test_pool conns;
    std::vector<lease> all;
    for (int i = 0; i < 5; ++i) all.push_back(conns.acquire("a", net.dialer()));
    all.erase(all.begin() + 1);
    CHECK(conns.try_acquire("a")->id() == 2);
    CHECK(all[1]->id() == 3);
    all.clear();
    CHECK(conns.stats("a") == pool::key_stats{.idle = 5, .lent = 0});
}

// Exceptions

TEST_CASE("lease: an exception that ends its scope closes the connection [C14]") {
    fake::network net;
    test_pool conns;
    const auto use = [&] {
        const auto lent = conns.acquire("a", net.dialer());
        throw failure{};
    };
    CHECK_THROWS_AS(use(), failure);
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats().discarded == 1);
}

TEST_CASE("lease: an exception gives a reusable connection back [C14]") {
    fake::network net;
    test_pool conns;
    const auto use = [&] {
        const auto lent = conns.acquire("a", net.dialer());
        net[1].reusable = true;
        throw failure{};
    };
    CHECK_THROWS_AS(use(), failure);
    CHECK(conns.try_acquire("a")->id() == 1);
}

TEST_CASE("lease: after an exception, a connection that cannot tell whether it is reusable is closed [C14]") {
    struct silent_connection : private fake::connection {
        explicit silent_connection(connection from) : connection{std::move(from)} {}
        using connection::close;
        using connection::closed;
        using connection::unblocked;
    };
    static_assert(!pool::reusable_reporting<silent_connection>);

    fake::network net;
    pool::basic_pool<std::string, silent_connection> conns;
    const auto use = [&] {
        const auto lent = conns.acquire("a", [&](const std::string&) { return silent_connection{net.dial()}; });
        net[1].reusable = true;
        throw failure{};
    };
    CHECK_THROWS_AS(use(), failure);
    CHECK(net.closed() == ids{1});
}

TEST_CASE("lease: an exception that is caught within its scope does not matter [C14]") {
    fake::network net;
    test_pool conns;
    {
        const auto lent = conns.acquire("a", net.dialer());
        during_an_exception([] {});
    }
    CHECK(conns.stats("a").idle == 1);
}

TEST_CASE("lease: one that an exception's clean-up acquires and ends is given back [C14]") {
    fake::network net;
    test_pool conns;
    during_an_exception([&] { (void)conns.acquire("a", net.dialer()); });
    CHECK(conns.stats("a").idle == 1);
}

TEST_CASE("lease: one that outlives the exception during which it was acquired is given back [C14]") {
    fake::network net;
    test_pool conns;
    lease kept;
    during_an_exception([&] { kept = conns.acquire("a", net.dialer()); });
    CHECK(kept->id() == 1);
    kept = {};
    CHECK(conns.stats("a").idle == 1);
}

TEST_CASE("lease: one that is acquired during an exception and moved on sees the next one [C14]") {
    fake::network net;
    test_pool conns;
    test_pool::lease_type kept;
    struct clean_up {
        std::function<void()> act;
        ~clean_up() { act(); }
    };
    try {
        const clean_up acquires{[&] { kept = conns.acquire("a", net.dialer()); }};
        throw failure{};
    } catch (const failure&) {
    }
    try {
        const auto lent = std::move(kept);
        throw failure{};
    } catch (const failure&) {
    }
    CHECK(net.closed() == ids{1});
}

TEST_CASE("lease: an exception within an exception's clean-up closes the connection [C14]") {
    fake::network net;
    test_pool conns;
    during_an_exception([&] {
        try {
            const auto lent = conns.acquire("a", net.dialer());
            throw failure{};
        } catch (const failure&) {
        }
    });
    CHECK(net.closed() == ids{1});
}

TEST_CASE("lease: a move during an exception does not change what it does [C14]") {
    fake::network net;
    test_pool conns;
    auto lent = conns.acquire("a", net.dialer());
    during_an_exception([&] { const auto moved = std::move(lent); });
    CHECK(net.closed() == ids{1});
}

TEST_CASE("lease: give_back during an exception gives back, as it was asked for [C14]") {
    fake::network net;
    test_pool conns;
    auto lent = conns.acquire("a", net.dialer());
    during_an_exception([&] { lent.give_back(); });
    CHECK(conns.stats("a").idle == 1);
}

TEST_CASE("lease: give_back_if_reusable asks the connection [C14]") {
    fake::network net;
    test_pool conns;
    auto lent = conns.acquire("a", net.dialer());
    SUBCASE("which is") {
        net[1].reusable = true;
        lent.give_back_if_reusable();
        CHECK(conns.stats("a").idle == 1);
    }
    SUBCASE("which is not") {
        lent.give_back_if_reusable();
        CHECK(net.closed() == ids{1});
    }
    CHECK_FALSE(lent);
}
