// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

#include <support/contract_pools.hpp>
#include <support/fake.hpp>

using contract::pool_of;
using contract::refusal;
using contract::test_pool;
using fake::ids;

// C12 Whatever throws, the pool is as before, and the connection still has an owner that will close it.

namespace {

/// A key that throws from its hash, or from the last of so many copies.
struct throwing_key {
    explicit throwing_key(int number) : id{number} {}
    throwing_key(const throwing_key& other) : id{other.id} {
        if (--copies == 0) throw refusal{};
    }
    bool operator==(const throwing_key&) const = default;

    int id;
    static inline bool hashable = true;
    static inline int copies = 0;
};

}  // namespace

template <>
struct std::hash<throwing_key> {
    std::size_t operator()(const throwing_key& key) const {
        if (!std::exchange(throwing_key::hashable, true)) throw refusal{};
        return std::hash<int>{}(key.id);
    }
};

EACH_POOL("contract: a dial that throws leaves the pool as it was [C12]") {
    fake::network net;
    test_pool<Pools> conns;
    conns.put("b", net.dial());
    auto before = conns.stats();
    CHECK_THROWS_AS((void)conns.acquire("a", [](const std::string&) -> fake::connection { throw refusal{}; }), refusal);
    ++before.misses;
    ++before.failed_dials;
    CHECK(conns.stats() == before);
}

EACH_POOL("contract: a put whose hash throws leaves the caller its connection [C12]") {
    fake::network net;
    pool_of<Pools, throwing_key> conns;
    auto mine = net.dial();
    throwing_key::hashable = false;
    CHECK_THROWS_AS(conns.put(throwing_key{1}, std::move(mine)), refusal);
    CHECK_FALSE(mine.closed());
    CHECK(conns.stats() == pool::stats{});
    mine.close();
}

EACH_POOL("contract: a put whose move throws leaves the caller its connection [C12]") {
    fake::network net;
    pool_of<Pools, std::string, fake::fragile_connection> conns;
    fake::fragile_connection mine{net.dial()};
    net[1].stuck = true;
    CHECK_THROWS_AS(conns.put("a", std::move(mine)), std::runtime_error);
    CHECK_FALSE(mine.closed());
    CHECK(conns.stats() == pool::stats{});
    mine.close();
}

EACH_POOL("contract: a put whose key cannot be copied leaves the caller its connection [C12]") {
    fake::network net;
    pool_of<Pools, throwing_key> conns;
    auto mine = net.dial();
    throwing_key::copies = 1;
    CHECK_THROWS_AS(conns.put(throwing_key{1}, std::move(mine)), refusal);
    CHECK_FALSE(mine.closed());
    CHECK(conns.stats() == pool::stats{});
    mine.close();
}

EACH_POOL("contract: an acquire that cannot keep the key throws before it dials [C12]") {
    fake::network net;
    pool_of<Pools, throwing_key> conns;
    throwing_key::copies = 1;
    CHECK_THROWS_AS((void)conns.acquire(throwing_key{1}, net.dialer()), refusal);
    CHECK(net.dials() == 0);
    CHECK(conns.stats() == pool::stats{.misses = 1});
}

EACH_POOL("contract: giving back cannot fail [C12]") {
    using lease = typename test_pool<Pools>::lease_type;
    static_assert(noexcept(std::declval<lease&>().give_back()));
    static_assert(noexcept(std::declval<lease&>().discard()));
    static_assert(std::is_nothrow_destructible_v<lease>);
    static_assert(std::is_nothrow_move_assignable_v<lease>);

    fake::network net;
    pool_of<Pools, throwing_key> conns;
    auto lent = conns.acquire(throwing_key{1}, net.dialer());
    throwing_key::hashable = false;
    throwing_key::copies = 1;
    lent.give_back();
    CHECK(conns.stats().idle == 1);
    throwing_key::hashable = true;
    throwing_key::copies = 0;
}

// C14 A lease destroyed by an exception on its way out is discarded, unless the connection says that it is reusable.

EACH_POOL("contract: a connection whose user throws is closed unless it is reusable [C14]") {
    fake::network net;
    test_pool<Pools> conns;
    const auto fail_with = [&](bool reusable) {
        const auto lent = conns.acquire("a", net.dialer());
        lent->far().reusable = reusable;
        throw refusal{};
    };
    CHECK_THROWS_AS(fail_with(false), refusal);
    CHECK(net.closed() == ids{1});
    CHECK_THROWS_AS(fail_with(true), refusal);
    CHECK(net.closed().empty());
    CHECK(conns.try_acquire("a")->id() == 2);
}
