// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <cstddef>
#include <functional>
#include <limits>
#include <string>

#include <doctest/doctest.h>

#include <pool/sharded_pool.hpp>

#include <support/sharded.hpp>

// How keys and bounds are divided among shards.

using fake::ids;
using sharded::fixture;
using sharded::key_in;
using sharded::many;

TEST_CASE("shard_of: keys are spread evenly, however regular their hashes are") {
    const auto check_even = [](const auto& hash) {
        constexpr int share = 1'000;
        std::array<int, 8> found{};
        for (std::size_t i = 0; i < found.size() * share; ++i) ++found.at(pool::core::shard_of<8>(hash(i)));
        for (const int each : found) {
            CHECK(each > share / 2);
            CHECK(each < share * 2);
        }
    };
    check_even([](std::size_t i) { return i; });
    check_even([](std::size_t i) { return i * 8; });
    check_even([](std::size_t i) { return i * 4096; });
    check_even([](std::size_t i) { return 1'000'003 * i; });
    check_even([](std::size_t i) { return i << 40; });
    check_even([](std::size_t i) { return std::numeric_limits<std::size_t>::max() - i; });
    check_even([](std::size_t i) { return std::hash<std::string>{}("host-" + std::to_string(i)); });
}

TEST_CASE("shard_of: every hash has a shard, and always the same") {
    for (const std::size_t hash : {std::size_t{0}, std::size_t{1}, std::numeric_limits<std::size_t>::max()}) {
        static_assert(pool::core::shard_of<7>(42) == pool::core::shard_of<7>(42));
        CHECK(pool::core::shard_of<2>(hash) < 2);
        CHECK(pool::core::shard_of<3>(hash) < 3);
        CHECK(pool::core::shard_of<64>(hash) < 64);
    }
}

TEST_CASE("shard_capacity: the shares of the total add up to it, and differ by one at most [C2]") {
    for (std::size_t total = 0; total <= 20; ++total) {
        CAPTURE(total);
        std::size_t sum = 0;
        for (std::size_t shard = 0; shard < 6; ++shard) {
            const std::size_t share =
                pool::core::shard_capacity<pool::bounded, 6>{{.max_idle = total}, shard}.max_idle();
            CHECK(share == (total + 5 - shard) / 6);
            sum += share;
        }
        CHECK(sum == total);
    }
}

TEST_CASE("shard_capacity: no limit is not divided, and neither is the bound of a key [C2]") {
    const pool::core::shard_capacity<pool::bounded, 4> share{{.max_idle_per_key = 5}, 3};
    CHECK(share.max_idle() == pool::no_limit);
    CHECK(share.max_idle_for(7) == 5);
}

TEST_CASE("sharded_pool: the total is never exceeded, and no shard is left out [C2]") {
    for (const std::size_t total : {4u, 6u, 64u}) {
        fixture f{{.max_idle = total}};
        for (int key = 0; key < many * 4; ++key) {
            f.put(key);
            CHECK(f.conns.stats().idle <= total);
        }
        CHECK(f.conns.stats().idle == total);
    }
}

TEST_CASE("sharded_pool: of a total below the number of shards, the last ones get nothing [C2]") {
    fixture f{{.max_idle = 2}};
    for (int n = 0; n < 3; ++n) f.put_one_of_each();
    for (std::size_t i = 0; i < 4; ++i) CHECK(f.conns.stats(f.keys[i]).idle == (i < 2 ? 1 : 0));
    CHECK(f.conns.stats().refused == 6);
}

TEST_CASE("sharded_pool: the bound of a key is not divided [C2]") {
    fixture f{{.max_idle_per_key = 3}};
    for (int n = 0; n < 5; ++n) f.put_one_of_each();
    for (const int key : f.keys) CHECK(f.conns.stats(key).idle == 3);
}

TEST_CASE("sharded_pool: a full shard gives up its own oldest, though others have room and older ones [C3]") {
    fixture f{{.max_idle = 8}};
    f.put(key_in<4>(0));
    for (int n = 0; n < 3; ++n) f.put(key_in<4>(1, n));
    CHECK(f.net.closed() == ids{2});
}

TEST_CASE("sharded_pool: a new capacity is divided again") {
    fixture f{{.max_idle = 64}};
    const auto fill = [&f] {
        for (int key = 0; key < many * 4; ++key) f.put(key);
    };
    fill();
    f.net.closed();
    CHECK(f.conns.reconfigure({.max_idle = 6}) == 58);
    CHECK(f.net.closed().size() == 58);
    CHECK(f.conns.stats().idle == 6);
    CHECK(f.conns.reconfigure({.max_idle = 13}) == 0);
    fill();
    CHECK(f.conns.stats().idle == 13);
    CHECK(f.conns.reconfigure({.max_idle = 0}) == 13);
    CHECK(f.conns.reconfigure({.max_idle_per_key = 1}) == 0);
    fill();
    fill();
    CHECK(f.conns.stats().idle == many * 4);
}
