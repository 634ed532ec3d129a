// SPDX-License-Identifier: BSL-1.0
#include <optional>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <pool/lease.hpp>

#include <support/contract_pools.hpp>
#include <support/fake.hpp>

using contract::test_pool;
using fake::ids;

// C14 A lease that is not kept is discarded, unless the connection says that it is reusable.

EACH_POOL("contract: a lease that has to be kept, and is not, closes its connection [C14]") {
    fake::network net;
    test_pool<Pools> conns;
    for (const auto* key : {"a", "b", "c"}) {
        auto lent = conns.acquire(key, net.dialer(), pool::discard_unless_kept);
        if (*key != 'b') lent.keep();
    }
    CHECK(net.closed() == ids{2});
    CHECK(conns.stats().idle == 2);
    CHECK(conns.stats().discarded == 1);
    { const auto lent = conns.try_acquire("a", pool::discard_unless_kept); }
    CHECK(net.closed() == ids{1});
}

EACH_POOL("contract: a fresh lease that has to be kept, and is not, closes its connection [C14]") {
    fake::network net;
    test_pool<Pools> conns;
    const pool::dial_context context;
    { const auto lent = conns.acquire_fresh("a", net.dialer(), pool::discard_unless_kept); }
    { const auto lent = conns.acquire_fresh("a", net.dialer(), context, pool::discard_unless_kept); }
    CHECK(net.closed() == ids{1, 2});
    conns.acquire_fresh("a", net.dialer(), pool::discard_unless_kept).keep();
    conns.acquire_fresh("b", net.dialer(), context, pool::discard_unless_kept).keep();
    CHECK(net.closed().empty());
    CHECK(conns.stats().idle == 2);
}

EACH_POOL("contract: with the setting, each lease has to be kept [C14]") {
    fake::network net;
    test_pool<Pools> conns{{}, {}, {.discard_unless_kept = true}};
    { const auto lent = conns.acquire("a", net.dialer()); }
    CHECK(net.closed() == ids{1});
    conns.acquire("b", net.dialer()).keep();
    { const auto lent = conns.try_acquire("b"); }
    CHECK(net.closed() == ids{2});
    conns.get("c", net.dialer()).invoke([](fake::connection&) {});
    CHECK(conns.stats().idle == 1);
}

EACH_POOL("contract: a lease that has to be kept closes its connection after the end of the pool, too [C14]") {
    fake::network net;
    std::optional<test_pool<Pools>> conns{std::in_place};
    auto kept = conns->acquire("a", net.dialer(), pool::discard_unless_kept);
    auto other = conns->acquire("b", net.dialer(), pool::discard_unless_kept);
    conns.reset();
    kept.keep();
    kept.give_back();
    other = {};
    CHECK(net.closed() == ids{1, 2});
}
