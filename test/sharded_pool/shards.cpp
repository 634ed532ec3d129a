// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>

#include <doctest/doctest.h>

#include <pool/sharded_pool.hpp>

#include <support/fake.hpp>

// Each shard has its own lock, policies and cache lines.

namespace {

/// Counts how often keys are hashed.
struct counted_key {
    int id;
    bool operator==(const counted_key&) const = default;
    static inline int hashes = 0;
};

}  // namespace

template <>
struct std::hash<counted_key> {
    std::size_t operator()(const counted_key& key) const noexcept {
        ++counted_key::hashes;
        return static_cast<std::size_t>(key.id);
    }
};

TEST_CASE("sharded_pool: a key is hashed once in each call") {
    fake::network net;
    pool::sharded_pool<8, counted_key, fake::connection> conns;
    const counted_key key{7};
    const auto hashes_of = [](const auto& call) {
        counted_key::hashes = 0;
        call();
        return counted_key::hashes;
    };
    CHECK(hashes_of([&] { conns.put(key, net.dial()); }) == 1);
    CHECK(hashes_of([&] { (void)conns.try_acquire(key); }) == 1);
    CHECK(hashes_of([&] { (void)conns.acquire(key, net.dialer()); }) == 1);
    CHECK(hashes_of([&] { (void)conns.stats(key); }) == 1);
    CHECK(hashes_of([&] { (void)conns.stats(); }) == 0);
    CHECK(hashes_of([&] { conns.take(key)->close(); }) == 1);
    CHECK(hashes_of([&] { conns.clear(key); }) == 1);
    auto peer = conns.get(key, net.dialer());
    conns.put(key, net.dial());
    CHECK(hashes_of([&] { peer.invoke([](fake::connection&) {}); }) == 1);
}

namespace {

/// A policy that can be copied fewer than `copies` times. One more copy throws.
struct counted_policy {
    explicit counted_policy(int copies) : left{std::make_shared<int>(copies)} {}
    counted_policy(const counted_policy& other) : left{other.left} {
        if (--*left == 0) throw std::runtime_error{"one too many"};
    }
    counted_policy(counted_policy&&) = default;
    counted_policy& operator=(counted_policy&&) = default;

    static std::size_t max_idle() noexcept { return pool::no_limit; }
    static std::size_t max_idle_for(int) noexcept { return pool::no_limit; }

    std::shared_ptr<int> left;
};

/// Counts the locks there are.
struct counted_lock : std::mutex {
    counted_lock() { ++count; }
    ~counted_lock() { --count; }
    static inline int count = 0;
};

using counted_pool =
    pool::sharded_pool<4, int, fake::connection, counted_policy, pool::never, counted_lock, pool::manual_clock>;

}  // namespace

TEST_CASE("sharded_pool: each shard has a lock and a copy of the policies") {
    const counted_policy policy{1'000};
    {
        const counted_pool conns{policy};
        CHECK(counted_lock::count == 4);
        CHECK(policy.left.use_count() == 1 + 4);
    }
    CHECK(counted_lock::count == 0);
    CHECK(policy.left.use_count() == 1);
}

TEST_CASE("sharded_pool: a policy whose copy throws leaves no shard behind [C12]") {
    for (int copies = 2; copies <= 4; ++copies) {
        counted_policy policy{copies};
        const auto left = policy.left;
        CHECK_THROWS_AS(counted_pool{std::move(policy)}, std::runtime_error);
        CHECK(left.use_count() == 1);
        CHECK(counted_lock::count == 0);
    }
}

TEST_CASE("sharded_pool: no two shards have a cache line in common") {
    using state = pool::core::pool_access::state_of<pool::sharded_pool<4, int, fake::connection>>;
    static_assert(alignof(state) >= 64);
    static_assert(sizeof(state) % alignof(state) == 0);
}
