// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/reaper.hpp>
#include <pool/sharded_pool.hpp>

#include <support/fake.hpp>
#include <support/figures.hpp>

// What is different in a pool of several parts. What is the same, the contract's tests and the matrix also ask of it.

using namespace std::chrono_literals;

namespace {

using ids = std::vector<int>;

template <std::size_t Shards>
using pool_of = pool::sharded_pool<Shards, int, fake::connection, pool::bounded, pool::after_idle, pool::null_mutex,
    pool::manual_clock>;

/// Many keys, so that there are some in every shard.
constexpr int many = 100;

/// A key of that shard: the n-th.
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
    explicit fixture(pool::bounded capacity) : conns{capacity, 10s, {.name = "peers"}, clock} {}

    void put(int key) { conns.put(key, net.dial()); }
    void put_one_of_each() {
        for (const int key : keys) put(key);
    }

    fake::network net;
    pool::manual_clock clock;
    pool_of<4> conns{{}, 10s, {.name = "peers"}, clock};
    const std::array<int, 4> keys{key_in<4>(0), key_in<4>(1), key_in<4>(2), key_in<4>(3)};
};

}  // namespace

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

TEST_CASE("share_of: the shares of the total add up to it, and differ by one at most [C2]") {
    for (std::size_t total = 0; total <= 20; ++total) {
        CAPTURE(total);
        std::size_t sum = 0;
        for (std::size_t shard = 0; shard < 6; ++shard) {
            const std::size_t share = pool::core::shard_capacity<pool::bounded, 6>{{.max_idle = total}, shard}.max_idle();
            CHECK(share == (total + 5 - shard) / 6);
            sum += share;
        }
        CHECK(sum == total);
    }
}

TEST_CASE("share_of: no limit is not divided, and neither is the bound of a key [C2]") {
    const pool::core::shard_capacity<pool::bounded, 4> share{{.max_idle_per_key = 5}, 3};
    CHECK(share.max_idle() == pool::no_limit);
    CHECK(share.max_idle_for(7) == 5);
}

TEST_CASE_FIXTURE(fixture, "sharded_pool: the connections of a key are found again, whatever its shard") {
    for (int key = 0; key < many; ++key) put(key);
    for (int key = 0; key < many; ++key) {
        CHECK(conns.stats(key).idle == 1);
        CHECK(conns.try_acquire(key)->id() == key + 1);
        CHECK(conns.acquire(key, net.dialer())->id() == key + 1);
        auto taken = conns.take(key);
        CHECK(taken->id() == key + 1);
        conns.put(key, *std::move(taken));
        CHECK(conns.get(key, net.dialer()).invoke(&fake::connection::id) == key + 1);
        CHECK(conns.clear(key) == 1);
    }
    CHECK(net.closed().size() == many);
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

TEST_CASE("sharded_pool: another capacity is divided anew") {
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

TEST_CASE_FIXTURE(fixture, "sharded_pool: clear closes what is idle in every shard") {
    put_one_of_each();
    put_one_of_each();
    CHECK(conns.clear() == 8);
    CHECK(net.open() == 0);
}

TEST_CASE_FIXTURE(fixture, "sharded_pool: close() closes every shard, and returns what went wrong in any [C11] [C13]") {
    put_one_of_each();
    for (int id = 1; id <= 4; ++id) net[id].on_close = [id] { throw std::runtime_error{std::to_string(id)}; };
    const auto lent = conns.acquire(key_in<4>(3, 1), net.dialer());
    CHECK(std::string{conns.close().what()} == R"(pool "peers": 4 failed to close: 1; 2; 3; 4)");
    CHECK(conns.stats().failed_closes == 4);
    CHECK(conns.close().empty());

    for (const int key : keys) {
        CHECK_THROWS_AS((void)conns.acquire(key, net.dialer()), pool::pool_closed);
        put(key);
    }
    CHECK(conns.stats().refused == 4);
    CHECK(conns.stats().lent == 1);
    CHECK(net.open() == 1);
}

TEST_CASE_FIXTURE(fixture, "sharded_pool: a close in one shard may put into any other, also at the end [C8]") {
    for (const int key : keys) {
        put(key);
        put(key);
    }
    for (int id = 1; id <= 8; ++id) net[id].on_close = [this] { put_one_of_each(); };
    SUBCASE("clear") {
        conns.clear();
        conns.clear();
    }
    SUBCASE("close") { CHECK(conns.close().empty()); }
    CHECK(conns.stats().idle == 0);
    CHECK(net.open() == 0);
}

TEST_CASE_FIXTURE(fixture, "sharded_pool: a sweep closes what is due in every shard [C7]") {
    put_one_of_each();
    clock.advance(9s);
    CHECK(conns.expire() == 0);
    put_one_of_each();
    clock.advance(1s);
    CHECK(conns.expire() == 4);
    CHECK(conns.stats().expired == 4);
    CHECK(conns.stats().idle == 4);
}

TEST_CASE_FIXTURE(fixture, "sharded_pool: the next expiry is the earliest of all shards") {
    for (const int key : keys) {
        const auto start = clock.now();
        put(key);
        clock.advance(5s);
        for (const int other : keys) {
            if (other != key) put(other);
        }
        CHECK(conns.next_expiry() == start + 10s);
        conns.clear();
        CHECK(conns.next_expiry() == clock.now() + 10s);
    }
    conns.close();
    CHECK(conns.next_expiry() == pool::manual_clock::time_point::max());
}

TEST_CASE_FIXTURE(fixture, "sharded_pool: the figures are those of all shards, and add up [C16]") {
    conns.reconfigure({.max_idle = 8, .max_idle_per_key = 2});
    std::uint64_t look_ups = 0;
    const auto check = [&] { figures::check_exact(conns.stats(), look_ups); };
    for (const int key : keys) {
        for (int n = 0; n < 3; ++n) put(key);
        check();
        ++look_ups;
        auto lent = conns.try_acquire(key);
        check();
        lent.discard();
        ++look_ups;
        conns.acquire(key, net.dialer()).give_back();
        check();
        ++look_ups;
        CHECK_FALSE(conns.take(key + 1'000));
        check();
    }
    const pool::stats seen = conns.stats();
    CHECK(seen.hits == 8);
    CHECK(seen.misses == 4);
    CHECK(seen.evicted == 4);
    CHECK(seen.discarded == 4);
    CHECK(seen.idle == 4);
    CHECK(seen.keys == 4);
}

TEST_CASE("sharded_pool: leases, lazy connections and streams of any shard outlive the pool [C1]") {
    fixture f;
    std::optional<pool_of<4>> conns{std::in_place};
    std::vector<pool_of<4>::lease_type> leases;
    std::vector<decltype(conns->get(0, f.net.dialer()))> peers;
    for (const int key : f.keys) {
        leases.push_back(conns->acquire(key, f.net.dialer()));
        peers.push_back(conns->get(key, f.net.dialer()));
    }
    auto rows = peers[3].open_stream([](fake::connection& conn) { return fake::stream{conn, 1}; });
    for (const int key : f.keys) conns->put(key, f.net.dial());
    conns.reset();
    CHECK(f.net.open() == 5);
    for (auto& peer : peers) CHECK_THROWS_AS(peer.invoke([](fake::connection&) {}), pool::pool_closed);
    leases.clear();
    rows.next();
    CHECK(f.net.open() == 0);
}

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

/// A policy that knows how many copies of it there are, of which it can be that one too many.
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

TEST_CASE("sharded_pool: it has a name, a clock, and the types of a pool") {
    fixture f;
    CHECK(f.conns.name() == "peers");
    f.clock.advance(3s);
    CHECK(f.conns.clock().now() == f.clock.now());
    using type = pool_of<4>;
    static_assert(std::is_same_v<type::key_type, int>);
    static_assert(std::is_same_v<type::connection_type, fake::connection>);
    static_assert(std::is_same_v<type::lock_type, pool::null_mutex>);
    static_assert(std::is_same_v<type::clock_type, pool::manual_clock>);
    static_assert(std::is_same_v<type::time_point, pool::manual_clock::time_point>);
    static_assert(type::can_expire);
    static_assert(!std::is_copy_constructible_v<type> && !std::is_move_constructible_v<type>);
}

TEST_CASE("sharded_pool: a reaper sweeps every shard") {
    fake::network net;
    pool::manual_clock clock;
    pool::sharded_pool<4, int, fake::connection, pool::unlimited, pool::after_idle, std::mutex, pool::manual_clock>
        conns{{}, 10s, {}, clock};
    for (int key = 0; key < many; ++key) conns.put(key, net.dial());
    const pool::reaper reaper{conns};
    clock.advance(10s);
    while (conns.stats().idle != 0) std::this_thread::yield();
    CHECK(conns.stats().expired == many);
}
