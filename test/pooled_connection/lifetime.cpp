// SPDX-License-Identifier: BSL-1.0
#include <optional>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/calls.hpp>
#include <support/pools.hpp>

using fake::default_fixture;
using fake::default_pool;
using fake::id;
using fake::ids;

TEST_CASE_FIXTURE(default_fixture, "pooled_connection: closing one leaves the pool its connections") {
    auto peer = conns.get("a", net.dialer());
    peer.invoke(id);
    peer.close();
    CHECK(conns.get("a", net.dialer()).invoke(id) == 1);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_connection: destroying one leaves the pool its connections") {
    conns.get("a", net.dialer()).invoke(id);
    CHECK(conns.stats().idle == 1);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_connection: a moved one goes on for the same key") {
    auto from = conns.get("a", net.dialer());
    from.invoke(id);
    auto to = std::move(from);
    CHECK(to.key() == "a");
    CHECK(to.invoke(id) == 1);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_connection: one that was moved when it was closed is closed") {
    auto from = conns.get("a", net.dialer());
    from.close();
    auto to = std::move(from);
    CHECK(to.closed());
    CHECK_THROWS_AS(to.invoke(id), pool::connection_closed);
}

TEST_CASE("pooled_connection: is a connection itself, so that pools nest") {
    fake::network net;
    default_pool inner;
    using lazy = decltype(inner.get("a", net.dialer()));
    static_assert(pool::poolable<lazy>);
    pool::basic_pool<int, lazy> outer;

    auto peer = outer.get(7, [&](int) { return inner.get("a", net.dialer()); });
    CHECK(peer.invoke([](lazy& each) { return each.key(); }) == "a");
    CHECK(net.dials() == 0);
    CHECK(peer.invoke(id) == 1);  // through both
    CHECK(peer.invoke(id) == 1);
    CHECK(inner.stats().idle == 1);
    CHECK(outer.stats().idle == 1);
}

TEST_CASE("pooled_connection: calls after the end of its pool are refused") {
    fake::network net;
    std::optional<default_pool> conns{std::in_place};
    auto peer = conns->get("a", net.dialer());
    peer.invoke(id);
    conns.reset();
    CHECK(net.closed() == ids{1});
    CHECK_THROWS_AS(peer.invoke(id), pool::pool_closed);
    CHECK(net.dials() == 1);
}

TEST_CASE(
    "pooled_connection: a call under way goes on after the end of its pool, and then closes its connection [C11]") {
    fake::network net;
    std::optional<default_pool> conns{std::in_place};
    auto peer = conns->get("a", net.dialer());
    const int used = peer.invoke([&](fake::connection& conn) {
        conns.reset();
        CHECK(net.closed().empty());
        return conn.id();
    });
    CHECK(used == 1);
    CHECK(net.closed() == ids{1});
}
