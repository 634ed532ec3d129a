// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/reaper.hpp>
#include <pool/sharded_pool.hpp>

#include <support/fake.hpp>
#include <support/figures.hpp>
#include <support/latch.hpp>

// Many threads on one pool. These cases check what one thread cannot show: no connection is lost, closed twice or
// counted wrongly. The fake connections end the program for the first two. The thread sanitizer finds races.

namespace threads_cases {

using namespace std::chrono_literals;

namespace {

using test_pool =
    pool::basic_pool<std::string, fake::connection, pool::bounded, pool::after_idle, std::mutex, pool::manual_clock>;
using sharded_test_pool = pool::sharded_pool<3, std::string, fake::connection, pool::bounded, pool::after_idle,
    std::mutex, pool::manual_clock>;

constexpr int threads = 8;
const std::array<std::string, 6> keys{"a", "b", "c", "d", "e", "f"};

/// Starts all threads together, calls `work(number)` in each, and waits for all of them.
void together(const std::function<void(int)>& work) {
    latch start{threads};
    std::vector<std::jthread> all;
    for (int number = 0; number < threads; ++number) {
        all.emplace_back([&, number] {
            start.arrive_and_wait();
            work(number);
        });
    }
}

/// Checks that every connection is closed or dead, and that the statistics add up.
void check_conserved(const fake::network& net, const pool::stats& s) {
    CHECK(net.open() == 0);
    CHECK(s.idle == 0);
    CHECK(s.lent == 0);
    CHECK(s.closing == 0);
    CHECK(s.keys == 0);
    CHECK(s.puts == figures::accounted_puts(s));
}

/// Does one random operation of a pool.
template <class Pool>
void operate(Pool& conns, fake::network& net, pool::manual_clock& clock, std::mt19937& random) {
    const std::string& key = keys[random() % keys.size()];
    switch (random() % 16) {
    case 0:
        conns.put(key, net.dial());
        break;
    case 1:
        if (auto taken = conns.take(key)) conns.put(key, *std::move(taken));
        break;
    case 2:
        if (auto taken = conns.take(key)) fake::hang_up(*std::move(taken));
        break;
    case 3:
        conns.acquire(key, net.dialer()).discard();
        break;
    case 4:
        fake::hang_up(conns.acquire(key, net.dialer()).detach());
        break;
    case 5: {
        const auto lent = conns.acquire(key, net.dialer());
        lent->far().dead = true;
        break;
    }
    case 6: {
        const auto lent = conns.acquire(key, net.dialer());
        lent->far().blocked = !lent->far().blocked;
        break;
    }
    case 7:
        clock.advance(1ms);
        break;
    case 8:
        conns.expire();
        break;
    case 9:
        conns.next_expiry();
        break;
    case 10:
        conns.clear(key);
        break;
    case 11:
        if (random() % 16 == 0) conns.clear();
        break;
    case 12:
        conns.reconfigure({.max_idle = random() % 10, .max_idle_per_key = random() % 4});
        break;
    case 13: {
        const auto s = conns.stats();
        if (s.puts != figures::accounted_puts(s)) pool::testing::misused("the figures do not add up");
        break;
    }
    default:
        if (const auto first = conns.try_acquire(key)) const auto second = conns.acquire(key, net.dialer());
    }
}

}  // namespace

TEST_CASE_TEMPLATE("threads: nothing is lost or closed twice, whatever eight threads do [C1] [C16]", Pool, test_pool,
    sharded_test_pool) {
    fake::network net;
    pool::manual_clock clock;
    Pool conns{{.max_idle = 8, .max_idle_per_key = 3}, 20ms, {}, clock};
    net.prepare([](fake::line& far) {
        if (far.id % 16 == 0) far.on_close = [] { throw std::runtime_error{"a failed close"}; };
    });
    together([&](int number) {
        std::mt19937 random{static_cast<std::uint32_t>(number)};
        for (int i = 0; i < 3'000; ++i) operate(conns, net, clock, random);
    });
    conns.close();
    check_conserved(net, conns.stats());
    CHECK(conns.stats().failed_closes > 0);
}

TEST_CASE_TEMPLATE("threads: a pool may be closed while others use it [C11]", Pool, test_pool,
    sharded_test_pool) {
    for (int round = 0; round < 50; ++round) {
        fake::network net;
        pool::manual_clock clock;
        Pool conns{{.max_idle = 8, .max_idle_per_key = 3}, 20ms, {}, clock};
        together([&](int number) {
            std::mt19937 random{static_cast<std::uint32_t>(round * threads + number)};
            try {
                for (int i = 0; i < 40; ++i) {
                    if (number == 0 && i == 20) conns.close();
                    operate(conns, net, clock, random);
                }
            } catch (const pool::pool_closed&) {
            }
        });
        check_conserved(net, conns.stats());
    }
}

TEST_CASE_TEMPLATE("threads: leases end in other threads while the pool is destroyed [C1]", Pool, test_pool,
    sharded_test_pool) {
    for (int round = 0; round < 300; ++round) {
        fake::network net;
        if (round % 2 == 0)
            net.prepare([](fake::line& far) { far.on_close = [] { throw std::runtime_error{"failed"}; }; });
        std::optional<Pool> conns{std::in_place, pool::bounded{.max_idle = 2}};
        std::vector<typename Pool::lease_type> leases;
        for (int number = 0; number < threads; ++number) leases.push_back(conns->acquire("a", net.dialer()));
        together([&](int number) {
            if (number == 0) conns.reset();
            auto lent = std::move(leases[static_cast<std::size_t>(number)]);
            if (number % 3 == 1) lent.discard();
            if (number % 3 == 2) fake::hang_up(lent.detach());
        });
        CHECK(net.open() == 0);
    }
}

TEST_CASE("threads: lazy connections and streams end in other threads while the pool is destroyed [C1]") {
    for (int round = 0; round < 300; ++round) {
        fake::network net;
        std::optional<test_pool> conns{std::in_place, pool::bounded{.max_idle = 2}};
        using lazy = decltype(conns->get("a", net.dialer()));
        std::vector<lazy> peers;
        for (int number = 0; number < threads; ++number) peers.push_back(conns->get("a", net.dialer()));
        together([&](int number) {
            if (number == 0) conns.reset();
            lazy peer = std::move(peers[static_cast<std::size_t>(number)]);
            try {
                auto rows = peer.open_stream([](fake::connection& conn) { return fake::stream{conn, 2}; });
                rows.next();
                if (number % 2 == 0) rows.next();
            } catch (const pool::pool_closed&) {
            }
        });
        CHECK(net.open() == 0);
    }
}

TEST_CASE("threads: concurrent calls through one lazy connection use a connection each") {
    fake::network net;
    {
        test_pool conns;
        auto peer = conns.get("a", net.dialer());
        latch all_there{threads};
        together([&](int) { peer.invoke([&](fake::connection&) { all_there.arrive_and_wait(); }); });
        CHECK(net.dials() == threads);
        CHECK(conns.stats("a").idle == threads);
    }
    CHECK(net.open() == 0);
}

TEST_CASE_TEMPLATE("threads: a reaper expires connections while other threads put and move the time [C9]", Pool,
    test_pool, sharded_test_pool) {
    fake::network net;
    pool::manual_clock clock;
    Pool conns{{}, 10ms, {}, clock};
    {
        const pool::reaper<Pool> reaper{conns};
        together([&](int) {
            for (int i = 0; i < 500; ++i) {
                conns.put("a", net.dial());
                if (const auto lent = conns.try_acquire("a")) clock.advance(1ms);
            }
        });
        conns.put("a", net.dial());
        clock.advance(1h);
        while (conns.stats().idle != 0) std::this_thread::yield();  // only the reaper can expire them
    }
    conns.close();
    check_conserved(net, conns.stats());
}

}  // namespace threads_cases
