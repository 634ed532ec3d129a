// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/clock.hpp>
#include <pool/policies/expiry.hpp>

#include <support/requests.hpp>

// How much a step does while the lock is held, whatever others wait for: counted in questions to the policy, to keys, to
// connections and to requests. `bench/queue_steps.cpp` measures the times. It also counts the comparisons of the ordered
// sets, as instructions.

namespace {

/// What was asked while the lock was held.
struct questions {
    std::size_t bounds = 0;
    std::size_t keys = 0;         ///< comparisons
    std::size_t connections = 0;  ///< whether they are closed or unblocked
    std::size_t requests = 0;     ///< whether they have stopped, and notifications

    std::size_t all() const { return bounds + keys + connections + requests; }
};
questions now;
std::size_t most;  ///< in one step, since it was set to 0

/// A lock that counts what is asked between its `lock` and its `unlock`.
struct counting_lock {
    void lock() { now = {}; }
    void unlock() { most = std::max(most, now.all()); }
};

struct key {
    int value;
    bool operator==(const key& other) const noexcept { return ++now.keys, value == other.value; }
};

struct connection {
    std::shared_ptr<bool> dead = std::make_shared<bool>(false);
    std::shared_ptr<bool> blocked = std::make_shared<bool>(false);
    void close() { *dead = true; }
    bool closed() const noexcept { return ++now.connections, *dead; }
    bool unblocked() const noexcept { return ++now.connections, !*blocked; }
};

/// Bounds that count.
struct counting_bounds {
    static constexpr bool bounds_open = true;
    pool::bounded_open bounds;

    std::size_t max_idle() const noexcept { return ++now.bounds, bounds.max_idle(); }
    std::size_t max_idle_for(const key&) const noexcept { return ++now.bounds, bounds.max_idle_per_key(); }
    std::size_t max_open() const noexcept { return ++now.bounds, bounds.max_open(); }
    std::size_t max_open_for(const key&) const noexcept { return ++now.bounds, bounds.max_open_per_key(); }
    std::size_t max_dials_for(const key&) const noexcept { return ++now.bounds, bounds.max_dials_per_key(); }
    std::size_t max_waiting() const noexcept { return ++now.bounds, bounds.max_waiting(); }
    std::chrono::nanoseconds patience() const noexcept { return ++now.bounds, bounds.patience(); }
};

using pool_type =
    pool::basic_pool<key, connection, counting_bounds, pool::after_idle, counting_lock, pool::manual_clock>;
using lease = pool_type::lease_type;

struct asker final : requests::request<pool_type> {
    explicit asker(pool::manual_clock::time_point deadline = pool::manual_clock::time_point::max())
        : request{false, deadline} {}
    bool notified() noexcept override { return true; }
    bool is_stop_requested() const noexcept override { return ++now.requests, false; }
};

/// A pool with many keys and many who wait.
struct crowd {
    explicit crowd(pool::bounded_open bounds) : conns{counting_bounds{bounds}, pool::after_idle{}, {}, clock} {}
    ~crowd() {
        conns.close();
        for (auto& each : waiting) {
            if (requests::look(conns, *each) == pool::core::request_state::may_dial)
                requests::dial_failed(conns, *each);
            if (each->state() == pool::core::request_state::lent) requests::lease_of(conns, *each).discard();
        }
        leases.clear();
    }

    /// A connection of this key, lent.
    lease& lend(int of) {
        asker dials;
        requests::submit(conns, dials, {of});
        requests::look(conns, dials);
        requests::dial_succeeded(conns, dials, [](const key&) { return connection{}; });
        return leases.emplace_back(requests::lease_of(conns, dials));
    }
    /// So many keys, from 0, each with one lent connection.
    void lend_each(int keys) {
        for (int i = 0; i < keys; ++i) lend(i);
    }
    /// A request that waits.
    asker& wait(int of, pool::manual_clock::time_point deadline = pool::manual_clock::time_point::max()) {
        asker& made = *waiting.emplace_back(std::make_unique<asker>(deadline));
        requests::submit(conns, made, {of});
        return made;
    }

    pool::manual_clock clock;
    pool_type conns;
    std::vector<std::unique_ptr<asker>> waiting;
    std::deque<lease> leases;
};

/// How much one step asks at most, in `act`.
std::size_t asked_by(const std::function<void()>& act) {
    most = 0;
    act();
    return most;
}

constexpr int few = 1'000;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int many = 10'000;
#else
constexpr int many = 100'000;
#endif

/// What one step may ask, if its cost does not depend on how many wait.
constexpr std::size_t little = 60;
/// What a step may ask that does many things, in batches.
constexpr std::size_t batch = 128 * little;

}  // namespace

TEST_CASE("wait queue: keys that wait at a bound of their own cost the steps of other keys nothing [C10]") {
    for (const int count : {few, many}) {
        CAPTURE(count);
        crowd all{pool::bounded_open{.max_open_per_key = 1}};
        all.lend_each(count);
        lease& other = all.lend(-1);
        for (int i = 0; i < count; ++i) all.wait(i);
        CHECK(asked_by([&] { all.wait(0); }) <= little);
        CHECK(asked_by([&] { other.give_back(); }) <= little);
        CHECK(asked_by([&] { (void)all.conns.try_acquire({-1}); }) <= little);
        CHECK(asked_by([&] { all.leases.front().give_back(); }) <= little);
        CHECK(asked_by([&] { requests::cancel(all.conns, *all.waiting.back()); }) <= little);
    }
}

TEST_CASE("wait queue: callers of one key cost each other nothing [C10]") {
    for (const int count : {few, many}) {
        CAPTURE(count);
        crowd all{pool::bounded_open{.max_open = 2}};
        lease& first = all.lend(0);
        lease& second = all.lend(0);
        for (int i = 0; i < count; ++i) all.wait(0);
        CHECK(asked_by([&] { all.wait(0); }) <= little);
        CHECK(asked_by([&] { first.give_back(); }) <= little);
        CHECK(asked_by([&] { second.discard(); }) <= little);
        CHECK(asked_by([&] { requests::cancel(all.conns, *all.waiting[all.waiting.size() / 2]); }) <= little);
    }
}

TEST_CASE("wait queue: making room passes over no lent connection, and no reserved one [C10]") {
    for (const int count : {few, many}) {
        CAPTURE(count);
        crowd all{pool::bounded_open{.max_open = static_cast<std::size_t>(count) + 2}};
        all.lend_each(count);
        // An idle connection that is blocked, and older than all the others.
        lease& blocked = all.lend(-1);
        *blocked->blocked = true;
        blocked.give_back();
        for (int i = 0; i < count; ++i) {
            all.leases[static_cast<std::size_t>(i)].give_back();
            if (i % 2 == 0) all.leases[static_cast<std::size_t>(i)] = all.conns.try_acquire({i});
        }
        all.lend(-2);
        CHECK(asked_by([&] { all.wait(-1); }) <= little);
        CHECK(all.conns.stats().closing == 1);
        CHECK(asked_by([&] { all.wait(-1); }) <= little);
        CHECK(all.conns.stats().closing == 2);
    }
}

TEST_CASE("wait queue: closing the pool refuses the waiting callers in batches [C10]") {
    crowd all{pool::bounded_open{.max_open = 1}};
    all.lend(0);
    for (int i = 0; i < many; ++i) all.wait(i % 100);
    CHECK(asked_by([&] { all.conns.close(); }) <= batch);
    CHECK(all.conns.stats().waiting == 0);
}

TEST_CASE("wait queue: new bounds are applied in batches [C10]") {
    crowd all{pool::bounded_open{.max_open = 1}};
    all.lend(0);
    for (int i = 1; i <= many; ++i) all.wait(i);
    CHECK(asked_by([&] { all.conns.reconfigure(counting_bounds{pool::bounded_open{}}); }) <= batch);
    CHECK(all.conns.stats().waiting == 0);
    CHECK(all.conns.stats().dialing == static_cast<std::size_t>(many));
}

TEST_CASE("wait queue: a look-up retires many dead connections in batches [C6] [C10]") {
    crowd all{pool::bounded_open{}};
    std::vector<std::shared_ptr<bool>> dead;
    for (int i = 0; i < many; ++i) dead.push_back(all.lend(0)->dead);
    all.leases.clear();
    for (auto& each : dead) *each = true;
    CHECK(asked_by([&] { CHECK_FALSE(all.conns.try_acquire({0})); }) <= batch);
    CHECK(all.conns.stats().found_closed == static_cast<std::uint64_t>(many));
}

TEST_CASE("wait queue: callers whose deadlines have passed are removed in batches [C10]") {
    crowd all{pool::bounded_open{.max_open = 1}};
    lease& only = all.lend(0);
    for (int i = 0; i < many; ++i) all.wait(i, all.clock.now() + std::chrono::seconds{1});
    all.clock.advance(std::chrono::seconds{2});
    CHECK(asked_by([&] { only.give_back(); }) <= batch);
    CHECK(all.conns.stats().waiting == 0);
}

TEST_CASE("wait queue: connections that are unblocked at once serve the waiting callers in batches [C5] [C10]") {
    crowd all{pool::bounded_open{.max_open_per_key = 1}};
    std::vector<std::shared_ptr<bool>> blocked;
    for (int i = 0; i < many; ++i) {
        lease& each = all.lend(i);
        *each->blocked = true;
        blocked.push_back(each->blocked);
    }
    all.leases.clear();
    for (int i = 0; i < many; ++i) all.wait(i);
    for (auto& each : blocked) *each = false;
    CHECK(asked_by([&] { all.conns.look_again(); }) <= batch);
    CHECK(std::ranges::all_of(
        all.waiting, [](const auto& each) { return each->state() == pool::core::request_state::nudged; }));
}
