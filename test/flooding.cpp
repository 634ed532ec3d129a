// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/seeded_key.hpp>
#include <pool/sharded_pool.hpp>

#include <support/chosen_keys.hpp>
#include <support/plain_connection.hpp>
#include <support/requests.hpp>

// Keys that are chosen against the pool, counted in keys that an operation has to look at. With the seeded hash they cost
// what random keys cost. Each case also shows that they do not with std::hash.

namespace {

/// The keys that were compared with the one that an operation was called with, because they share its bucket. Nearly all
/// of them differ already in their hash.
std::size_t compared = 0;

/// A key that counts them, and is hashed and compared as Key is.
template <class Key>
struct counted {
    using view = pool::key_view<Key>;

    explicit counted(view chosen) : value(chosen) {}
    operator view() const { return view(value); }

    Key value;
};

}  // namespace

template <class Key>
struct pool::key_traits<counted<Key>> : pool::key_traits<Key> {};

/// All look-ups of the pool, in its index and in its wait queue, compare by this.
template <class Key>
struct pool::core::hashed_key<counted<Key>> : hashed_key<Key> {
    using hashed_key<Key>::hashed_key;

    bool equals(const counted<Key>& other, std::size_t hash_of_other) const {
        ++compared;
        return hashed_key<Key>::equals(other.value, hash_of_other);
    }
};

namespace {

using pool::seeded_key;

using connection = fake::plain_connection;

constexpr std::size_t kept = 1'000;       ///< keys with a connection
constexpr std::size_t in_all = 2 * kept;  ///< keys

/// What the operations of one kind cost.
struct costs {
    std::size_t percentile = 0;  ///< the 99th
    std::size_t worst = 0;

    std::string text() const { return std::to_string(percentile) + " (worst " + std::to_string(worst) + ")"; }
};

/// Calls `operation` with each of the keys.
template <class Value, class Operation>
costs each(const std::vector<Value>& keys, const Operation& operation) {
    std::vector<std::size_t> all;
    for (const Value& key : keys) {
        compared = 0;
        operation(key);
        all.push_back(compared);
    }
    std::sort(all.begin(), all.end());
    return {all[all.size() * 99 / 100], all.back()};
}

/// Callers that wait, each for a connection of its own key.
template <class Key, class Value>
costs wait_queue(const std::vector<Value>& keys) {
    using pool_type = pool::basic_pool<counted<Key>, connection, pool::bounded_open>;
    struct asker final : requests::request<pool_type> {
        asker() : requests::request<pool_type>{false, std::chrono::steady_clock::time_point::max()} {}
        bool notified() noexcept override { return true; }
    };
    pool_type conns{pool::bounded_open{.max_open = 1}};
    conns.put(keys.front(), connection{});
    auto lent = conns.try_acquire(keys.front());
    std::deque<asker> waiting;
    const costs all = each(keys, [&](const Value& key) { requests::submit(conns, waiting.emplace_back(), key); });
    CHECK(conns.stats().waiting == keys.size());
    conns.close();
    lent.discard();
    return all;
}

using operation_costs = std::vector<std::pair<std::string, costs>>;

/// What each operation costs in a pool of Key.
template <class Key, class Value>
operation_costs costs_of(const std::vector<Value>& keys) {
    REQUIRE(keys.size() == in_all);
    const auto middle = keys.begin() + kept;
    const std::vector<Value> present(keys.begin(), middle);
    const std::vector<Value> absent(middle, keys.end());
    pool::basic_pool<counted<Key>, connection> conns;
    return {
        {"put", each(present, [&](const Value& key) { conns.put(key, connection{}); })},
        {"lend and give back", each(present, [&](const Value& key) { REQUIRE(conns.try_acquire(key)); })},
        {"miss", each(absent, [&](const Value& key) { REQUIRE_FALSE(conns.try_acquire(key)); })},
        {"take", each(present, [&](const Value& key) { REQUIRE(conns.take(key)); })},
        {"wait", wait_queue<Key>(present)},
    };
}

/// Whether each operation with chosen keys stays within 10 times its costs with random keys, if the hash has a seed, and
/// only then. Without a seed, the keys slow it down if they collide.
template <class Key>
void check_flooding(const std::vector<Key>& chosen, const std::vector<Key>& random, bool collide = true) {
    const operation_costs usual = costs_of<Key>(random);
    const operation_costs unprotected = costs_of<Key>(chosen);
    const operation_costs with_seed = costs_of<seeded_key<Key>>(chosen);
    for (std::size_t i = 0; i < usual.size(); ++i) {
        const auto [operation, least] = usual[i];
        const costs flooded = unprotected[i].second;
        const costs seeded = with_seed[i].second;
        MESSAGE(operation << ": random keys " << least.text() << ", chosen keys " << flooded.text()
                          << ", with a seeded hash " << seeded.text());
        CHECK((flooded.percentile > 10 * least.percentile) == collide);
        CHECK(seeded.percentile <= 10 * least.percentile);
        CHECK(seeded.worst <= 10 * least.worst);
    }
}

/// The same keys as pairs.
std::vector<std::pair<std::string, int>> with_port(const std::vector<std::string>& hosts) {
    std::vector<std::pair<std::string, int>> all;
    for (const std::string& host : hosts) all.emplace_back(host, 80);
    return all;
}

/// How many connections a pool of shards keeps of `kept`, with room for so many, one of each key.
template <class Key>
std::size_t kept_in_shards(const std::vector<std::uint64_t>& keys) {
    pool::sharded_pool<8, Key, connection, pool::bounded> conns{pool::bounded{.max_idle = kept}};
    for (const std::uint64_t key : keys) conns.put(key, connection{});
    return conns.stats().idle;
}

}  // namespace

TEST_CASE("flooding: integers that share a bucket [C10]") {
    check_flooding(chosen_keys::integers_of_one_bucket(in_all), chosen_keys::random_integers(in_all));
}

TEST_CASE("flooding: texts with one hash, and pairs of which a field has one hash [C10]") {
    const auto chosen = chosen_keys::texts_of_one_hash(in_all);
    const auto random = chosen_keys::random_texts(in_all);
    const bool collide = chosen_keys::have_one_hash(chosen);
#if defined(__GLIBCXX__)
    REQUIRE(collide == (sizeof(std::size_t) == 8));
#endif
    check_flooding(chosen, random, collide);
    check_flooding(with_port(chosen), with_port(random), collide);
}

// No two of these keys have the same hash, or share a bucket more often than others.
TEST_CASE("flooding: integers of one shard, of which a pool of shards keeps a few") {
    const auto chosen = chosen_keys::integers_of_one_shard(kept);
    CHECK(kept_in_shards<std::uint64_t>(chosen) == kept / 8);
    CHECK(kept_in_shards<seeded_key<std::uint64_t>>(chosen) > kept * 3 / 4);
}
