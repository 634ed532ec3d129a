// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/sharded_pool.hpp>
#include <pool/testing/fake_dialer.hpp>
#include <pool/testing/tended_connection.hpp>

#include <support/figures.hpp>

// Threads whose connections are checked, reset and kept alive, and some of which are not healthy, while others sweep.

namespace {

using namespace std::chrono_literals;
using pool::testing::far_end;
using pool::testing::tended_connection;

template <class Capacity>
using real_pool = pool::basic_pool<std::string, tended_connection, Capacity, pool::after_idle>;
using real_shards = pool::sharded_pool<2, std::string, tended_connection, pool::bounded, pool::after_idle>;

constexpr std::size_t most_open = 4;

template <class Pool>
auto bounds_of() {
    if constexpr (Pool::bounds_open) return pool::bounded_open{.max_open = most_open, .max_idle = 3};
    else return pool::bounded{.max_idle = 3};
}

}  // namespace

TEST_CASE_TEMPLATE("hooks, threads: nothing is lost, lent twice, or open beyond the bound [C1, C16, C20 to C23]", Pool,
    real_pool<pool::bounded>, real_pool<pool::bounded_open>, real_shards) {
    pool::testing::fake_dialer dials;
    std::atomic<int> calls = 0;
    const auto every = [&calls](int n) { return ++calls % n != 0; };
    dials.prepare([&](far_end& far) {
        far.on_check = [&] { return every(5); };
        far.on_reset = [&] {
            if (!every(7)) throw std::runtime_error{"in the middle of a reply"};
        };
        far.on_keep_alive = [&] {
            if (!every(11)) throw 1;
        };
    });
    const auto dial = [&](const std::string& key) { return tended_connection{dials(key)}; };
    Pool conns{bounds_of<Pool>(), 10s, {.keep_alive_every = 1ns}};

    std::atomic<std::uint64_t> look_ups = 0;
    const auto uses = [&](int seed) {
        const std::array<const char*, 3> keys{"a", "b", "c"};
        for (int i = 0; i < 400; ++i) {
            const char* const key = keys[static_cast<std::size_t>(seed + i) % keys.size()];
            ++look_ups;
            if (i % 4 == 3) {
                auto lent = conns.try_acquire(key);
                if (lent) lent->use();
                continue;
            }
            auto lent = conns.acquire(key, dial);
            lent->use();
            if (i % 16 == 0) lent.discard();
            else if (i % 16 == 8) lent.detach().close();
        }
    };
    std::atomic<bool> is_over = false;
    std::vector<std::thread> users;
    for (int i = 0; i < 3; ++i) users.emplace_back(uses, i);
    std::thread sweeps{[&] {
        while (!is_over) {
            conns.upkeep();
            CHECK(conns.next_expiry() > std::chrono::steady_clock::now());
            if constexpr (Pool::bounds_open) {
                const pool::stats s = conns.stats();
                CHECK(s.idle + s.lent + s.dialing + s.closing <= most_open);
            }
        }
    }};
    for (auto& each : users) each.join();
    is_over = true;
    sweeps.join();

    conns.upkeep();
    const pool::stats s = conns.stats();
    figures::check_exact(s, look_ups);
    CHECK(s.lent + s.checking + s.closing == 0);
    CHECK(dials.open() == static_cast<int>(s.idle));
    CHECK(s.found_unhealthy > 0);
    CHECK(s.failed_resets > 0);
    conns.close();
    CHECK(dials.open() == 0);
}
