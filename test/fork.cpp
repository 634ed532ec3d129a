// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/pool.hpp>
#include <pool/testing/gate.hpp>

#include <support/forks.hpp>

// C27 abandon(), in the child of a process with many threads. A fork may come in the middle of any step of any of them.

namespace forks {
namespace {

/// A key whose comparison holds its thread, under the lock, while the test says so.
struct slow_key {
    int number = 0;

    friend bool operator==(const slow_key& a, const slow_key& b) {
        if (auto* const gate = holds.load()) gate->pass();
        return a.number == b.number;
    }
    static inline std::atomic<pool::testing::gate*> holds = nullptr;
};

}  // namespace
}  // namespace forks

template <>
struct std::hash<forks::slow_key> {
    std::size_t operator()(const forks::slow_key&) const noexcept { return 7; }  // so that all are compared
};

using namespace forks;

namespace {

constexpr auto dial = [](const auto&) { return session{}; };
constexpr std::size_t most = 6;  ///< connections of a pool that bounds what is open

using connection_pool = pool::connection_pool<int, session>;
using bounded_pool = pool::bounded_pool<int, session>;

/// Each pool has a reaper, which has something to do all the time.
template <class Pool>
std::unique_ptr<Pool> busy_pool() {
    if constexpr (Pool::bounds_open)
        return std::make_unique<Pool>(
            pool::bounded_pool_options{
                .max_open = most, .max_idle = 2, .acquire_timeout = 20ms, .expiration = 200us, .name = "forked"},
            dial);
    else
        return std::make_unique<Pool>(
            pool::connection_pool_options{.capacity = 3, .expiration = 200us, .name = "forked"}, dial);
}

/// Acquires all that may be open. Then a caller is late, or waits until another one has finished.
template <class Pool>
void check_waiting(Pool& conns) {
    std::vector<typename Pool::lease_type> all;
    while (all.size() < most) all.push_back(conns.acquire(1));
    bool is_late = false;
    try {
        (void)conns.acquire(1, 1ms);
    } catch (const pool::acquire_timeout&) {
        is_late = true;
    }
    EXPECT(is_late && conns.stats().waiting == 0);
    std::thread waits{[&] { conns.acquire(2, dial, std::chrono::steady_clock::time_point::max())->use(); }};
    while (conns.stats().waiting == 0) std::this_thread::yield();
    all.back().give_back();
    waits.join();
}

/// Works through a pool without connections, one call after the other.
template <class Pool>
void check_work(Pool& conns) {
    {
        const auto before = conns.stats();
        auto one = conns.acquire(1), two = conns.acquire(1), three = conns.acquire(2);
        EXPECT(conns.stats().lent == 3);
        EXPECT(conns.stats().dials + conns.stats().hits == before.dials + before.hits + 3);
        one->use();
        two.discard();
        three.detach().close();
    }
    if constexpr (Pool::bounds_open) check_waiting(conns);
    conns.put(3, session{});
    (void)conns.take(3);
    (void)conns.clear();
    (void)conns.invalidate();
    conns.put(3, session{});
    while (conns.stats().idle != 0) std::this_thread::yield();  // the reaper closes it
    EXPECT(conns.stats().expired != 0 && conns.stats().lent == 0);
}

template <class Pool>
bool refuses(Pool& conns) {
    try {
        (void)conns.acquire(1);
        return false;
    } catch (const pool::pool_closed&) {
        return true;
    }
}

/// The leases that the forking thread has.
template <class Pool>
using leases = std::array<typename Pool::lease_type, 3>;

/// What a child does with the pool of its parent.
template <class Pool, class Peer>
void check_child(std::unique_ptr<Pool>& conns, Peer& lazy, leases<Pool>& before, bool ends_leases_first) {
    conns->abandon();
    EXPECT(conns->stats() == pool::stats{});
    EXPECT(conns->stats(1) == pool::key_stats{});
    const auto end_leases = [&] {
        { const auto gone = std::move(before[0]); }
        before[1].discard();
        before[2].detach().abandon();
    };
    if (ends_leases_first) {
        end_leases();
        EXPECT(conns->stats() == pool::stats{});
    }
    lazy.invoke([](session& s) { s.use(); });
    EXPECT(conns->stats().dials == 1 && conns->stats().misses == 1);
    check_work(*conns);
    EXPECT(conns->close().empty());
    EXPECT(refuses(*conns));
    conns.reset();
    if (!ends_leases_first) end_leases();
    EXPECT(session::misused == 0);
}

/// Does everything that a pool can, over and over.
template <class Pool>
void be_busy(Pool& conns, const std::atomic<bool>& is_over, int role) {
    while (!is_over) {
        try {
            auto lent = conns.acquire(role % 2);
            lent->use();
            if (role == 1) lent.discard();
            else if (role == 2) lent.detach().close();
            else lent.give_back();
            if (role == 3) (void)conns.clear(1), (void)conns.invalidate(0);
            if (role == 4) conns.put(1, session{}), (void)conns.take(1);
            if (role == 5) (void)conns.invalidate({.fail_waiting = true}), (void)conns.upkeep();
        } catch (const pool::error&) {  // it has waited for too long, or was refused
        }
    }
}

}  // namespace

TEST_CASE_TEMPLATE("fork: whatever other threads do, the pool of the child works, and the parent's connections notice "
                   "nothing [C27]",
    Pool, connection_pool, bounded_pool) {
    session::misused = 0;
    auto conns = busy_pool<Pool>();
    auto lazy = conns->get(2);
    leases<Pool> before;
    for (auto& each : before) each = conns->acquire(5);
    std::atomic<bool> is_over = false;
    int failed = 0;
    {
        std::vector<std::jthread> threads;
        for (int role = 0; role < 6; ++role)
            threads.emplace_back([&conns = *conns, &is_over, role] { be_busy(conns, is_over, role); });
        for (int number = 0; number < 500 && failed == 0; ++number)
            failed += in_child([&] { check_child(conns, lazy, before, number % 2 == 0); }) != 0;
        is_over = true;
    }
    CHECK(failed == 0);
    for (auto& each : before) CHECK(each->peer_has_heard_only_its_owner());
    for (auto& each : before) each.give_back();
    CHECK(conns->close().empty());
    CHECK(session::misused == 0);
}

namespace {

template <class Capacity, class Lock>
using slow_pool = pool::basic_pool<slow_key, session, Capacity, pool::never, Lock>;

}  // namespace

TEST_CASE_TEMPLATE("fork: a thread is in the middle of a step, and has the lock [C27]", Pool,
    slow_pool<pool::bounded, std::mutex>, slow_pool<pool::bounded_open, std::mutex>,
    slow_pool<pool::bounded, pool::adaptive_mutex>, slow_pool<pool::bounded_open, pool::adaptive_mutex>) {
    session::misused = 0;
    Pool conns;
    conns.put(slow_key{1}, session{});
    auto lent = conns.acquire(slow_key{2}, dial);
    pool::testing::gate gate;
    slow_key::holds = &gate;
    std::thread other{[&] { conns.put(slow_key{3}, session{}); }};
    gate.await_arrivals();
    const int status = in_child([&] {
        slow_key::holds = nullptr;
        conns.abandon();
        EXPECT(conns.stats() == pool::stats{});
        EXPECT(is_open(lent->descriptor()));  // nothing was certain, so nothing was touched
        lent.give_back();
        EXPECT(!conns.try_acquire(slow_key{1}));
        conns.acquire(slow_key{1}, dial)->use();
        EXPECT(conns.stats().idle == 1 && conns.close().empty());
    });
    slow_key::holds = nullptr;
    gate.open();
    other.join();
    CHECK(status == 0);
    CHECK(lent->peer_has_heard_only_its_owner());
    lent.give_back();
    CHECK(conns.clear() == 3);
    CHECK(session::misused == 0);
}

TEST_CASE_TEMPLATE(
    "fork: if no thread is in the middle of a step, the child's copies of the descriptors are closed [C27]", Pool,
    pool::basic_pool<int, session>, pool::basic_pool<int, session, pool::bounded_open>) {
    session::misused = 0;
    Pool conns;
    auto lent = conns.acquire(1, dial), other = conns.acquire(1, dial);
    const int idle = other->descriptor();
    other.give_back();
    const int status = in_child([&] {
        const int descriptor = lent->descriptor();
        EXPECT(is_open(descriptor) && is_open(idle));
        conns.abandon();
        EXPECT(!is_open(descriptor) && !is_open(idle));
        EXPECT(lent->closed());
    });
    CHECK(status == 0);
    CHECK(lent->peer_has_heard_only_its_owner());
    lent->use();
    lent.give_back();
    CHECK(conns.clear() == 2);
    CHECK(session::misused == 0);
}

namespace {

/// A session whose end waits at a gate.
struct slow_session : session {
    void close() {
        if (!is_child && ends_at != nullptr) ends_at->pass();
        session::close();
    }
    static inline pool::testing::gate* ends_at = nullptr;
};

}  // namespace

TEST_CASE("fork: other threads wait, drain, dial and close [C27]") {
    session::misused = 0;
    pool::testing::gate dials, closes;
    slow_session::ends_at = &closes;
    const auto slow_dial = [&](int key) {
        if (!is_child && key == 2) dials.pass();
        return slow_session{};
    };
    pool::bounded_pool<int, slow_session> conns{{.max_open = 3, .acquire_timeout = 0s}, slow_dial};
    auto lent = conns.acquire(1);
    std::thread closer{[&] { conns.acquire(1).discard(); }}, dialler{[&] { conns.acquire(2).give_back(); }};
    closes.await_arrivals(), dials.await_arrivals();
    std::thread waits{[&] { conns.acquire(3).give_back(); }}, drains{[&] { (void)conns.drain(60min); }};
    while (conns.stats().waiting == 0) std::this_thread::yield();
    const int status = in_child([&] {
        conns.abandon();
        EXPECT(conns.stats() == pool::stats{});
        EXPECT(conns.drain(0s) == 0);
        lent.give_back();
        auto one = conns.acquire(1), two = conns.acquire(2), three = conns.acquire(3);
        EXPECT(conns.stats().lent == 3);
        one.discard(), two.discard();
        std::thread next{[&] { three.give_back(); }};
        EXPECT(conns.drain(60min) == 0);
        next.join();
    });
    closes.open(), dials.open();
    lent.give_back();
    for (auto* const each : {&closer, &dialler, &waits, &drains}) each->join();
    CHECK(status == 0);
    (void)conns.clear();
    CHECK(session::misused == 0);
}

TEST_CASE("fork: a reaper of one's own is abandoned after its pool [C27]") {
    pool::basic_pool<int, session, pool::bounded, pool::after_idle> conns{{}, 100us};
    auto reaper = std::make_unique<pool::reaper<decltype(conns)>>(conns);
    const int status = in_child([&] {
        conns.abandon();
        reaper->abandon();
        conns.put(1, session{});
        while (conns.stats().idle != 0) std::this_thread::yield();
        reaper->wake();
        reaper.reset();
        EXPECT(conns.stats().expired == 1);
    });
    CHECK(status == 0);
}
