// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/sharded_pool.hpp>

#include <support/allocations.hpp>
#include <support/fake.hpp>

// What `reserve` promises, and what it cannot do.

namespace reserve_cases {

namespace {

constexpr std::size_t shards = 4;
constexpr std::size_t most = std::numeric_limits<std::size_t>::max();

using single = pool::basic_pool<int, fake::connection>;
using expiring = pool::basic_pool<int, fake::connection, pool::unlimited, pool::after_idle>;
using sharded = pool::sharded_pool<shards, int, fake::connection>;
using many_shards = pool::sharded_pool<4096, int, fake::connection>;

/// How often this thread allocates to put so many connections, of the keys that `key_of(i)` says, beyond the record of
/// each connection and of each new key.
template <class Pool>
std::uint64_t growths(Pool& conns, fake::network& net, int count, int keys) {
    std::vector<fake::connection> fresh;
    for (int i = 0; i != count; ++i) fresh.push_back(net.dial());
    const allocations::counter made;
    for (int i = 0; i != count; ++i) conns.put(i % keys, std::move(fresh[static_cast<std::size_t>(i)]));
    return made.count() - static_cast<std::uint64_t>(count + keys);
}

}  // namespace

TEST_CASE_TEMPLATE("reserve: room that no memory could hold is refused, and nothing has changed", Pool, single,
    expiring, sharded, many_shards) {
    fake::network net;
    Pool conns;
    conns.put(1, net.dial());
    for (const std::size_t count : {most, most - 1, most / 2, most / sizeof(void*)}) {
        CHECK_THROWS_AS(conns.reserve(count), std::length_error);
        try {
            conns.reserve(count);
        } catch (const std::length_error& error) {
            CHECK(std::string{error.what()}.find("pool: cannot reserve room for " + std::to_string(count)) == 0);
        }
    }
    CHECK(conns.stats().idle == 1);
    conns.put(2, net.dial());
    CHECK(conns.try_acquire(1)->id() == 1);
    CHECK(conns.try_acquire(2)->id() == 2);
}

TEST_CASE_TEMPLATE("reserve: no room at all can be had", Pool, single, expiring, sharded) {
    fake::network net;
    Pool conns;
    conns.reserve(0);
    conns.put(1, net.dial());
    CHECK(conns.try_acquire(1));
}

TEST_CASE_TEMPLATE("reserve: one pool has room for all, also of one key", Pool, single, expiring) {
    constexpr int count = 1'000;
    fake::network net;
    Pool conns;
    conns.reserve(count);
    CHECK(growths(conns, net, count, 1) == 0);
}

TEST_CASE("reserve: shards have room while no shard has more than its part") {
    constexpr int count = 1'000;
    fake::network net;
    sharded conns;
    SUBCASE("keys are divided about evenly") {
        conns.reserve(count);
        CHECK(growths(conns, net, count, count) == 0);
    }
    SUBCASE("a part suffices for one key, and an eighth more") {
        conns.reserve(shards * count);
        CHECK(growths(conns, net, count + count / 8, 1) == 0);
    }
    SUBCASE("one key has more than a part: its shard grows, as for any key that was not reserved for") {
        conns.reserve(count);
        CHECK(growths(conns, net, count, 1) > 0);
    }
}

}  // namespace reserve_cases
