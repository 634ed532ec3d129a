// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <stdexcept>

#include <pool/sharded_pool.hpp>

#include <support/fake.hpp>

/// @file
/// Pools of several shards, and keys that are in a given one.

namespace sharded {

template <std::size_t Shards>
using pool_of = pool::sharded_pool<Shards, int, fake::connection, pool::bounded, pool::after_idle, pool::null_mutex,
    pool::manual_clock>;

/// Many keys, so that there are some in every shard.
constexpr int many = 100;

/// The n-th key of a shard.
template <std::size_t Shards>
int key_in(std::size_t shard, int n = 0) {
    for (int key = 0; key < 1'000'000; ++key) {
        if (pool::core::shard_of<Shards>(std::hash<int>{}(key)) == shard && n-- == 0) return key;
    }
    throw std::logic_error{"no key has that shard"};
}

/// A pool of four shards, and a key of each.
struct fixture {
    fixture() = default;
    explicit fixture(pool::bounded capacity) : conns{capacity, std::chrono::seconds{10}, {.name = "peers"}, clock} {}

    void put(int key) { conns.put(key, net.dial()); }
    void put_one_of_each() {
        for (const int key : keys) put(key);
    }

    fake::network net;
    pool::manual_clock clock;
    pool_of<4> conns{{}, std::chrono::seconds{10}, {.name = "peers"}, clock};
    const std::array<int, 4> keys{key_in<4>(0), key_in<4>(1), key_in<4>(2), key_in<4>(3)};
};

}  // namespace sharded
