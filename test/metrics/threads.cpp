// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <pool/bounded_pool.hpp>
#include <pool/pool.hpp>
#include <pool/sharded_pool.hpp>
#include <pool/testing/fake_dialer.hpp>

#include <metrics/scrape.hpp>
#include <support/latch.hpp>

// Metrics are collected while pools are used, added, removed and destroyed. For the thread sanitizer.

namespace metric_threads {

using namespace std::chrono_literals;
using metrics::scrape;
using pool::metrics::prometheus_pools;
using pool::testing::fake_connection;
using pool::testing::fake_dialer;

TEST_CASE("metrics, threads: what is collected while pools are used is consistent, and counters only grow") {
    constexpr int rounds = 300;
    fake_dialer dials;
    pool::bounded_pool<std::string, fake_connection> open{{.max_open = 2, .acquire_timeout = 10min, .name = "open"}};
    pool::sharded_pool<3, std::string, fake_connection, pool::bounded> many{{}, {}, {.name = "many"}};
    prometheus_pools all;
    const auto itself = [](const std::string& key) { return key; };
    all.add(open, {}, itself);
    all.add(many, {}, itself, 3);

    std::atomic<int> working{3};
    std::vector<std::jthread> users;
    for (int user = 0; user != 3; ++user) {
        users.emplace_back([&, user] {
            for (int i = 0; i != rounds; ++i) {
                const std::string key = std::to_string((i + user) % 5);
                const auto one = open.acquire(key, dials);
                const auto two = many.acquire(key, dials);
            }
            --working;
        });
    }
    const auto collect = [&] {
        double before = 0;
        bool is_last = false;
        while (!is_last) {
            is_last = working == 0;
            const scrape now{all};
            const auto of = [&](const char* name) { return now.of("open", name).value(); };
            const auto in = [&](const char* state) {
                return now.of("open", "db_client_connection_count", {{"db_client_connection_state", state}}).value();
            };
            const double lookups = of("pool_hits_total") + of("pool_misses_total");
            CHECK(lookups >= before);
            CHECK(in("idle") + in("used") + of("pool_dialing") + of("pool_closing") <= 2);
            before = lookups;
        }
        CHECK(before == 3 * rounds);
    };
    std::jthread second{collect};  // an exposer has several threads
    collect();
}

TEST_CASE("metrics, threads: pools come and go while they are collected") {
    fake_dialer dials;
    prometheus_pools all;
    std::atomic<bool> is_over{false};
    latch begun{1};
    std::jthread collector{[&] {
        begun.count_down();
        while (!is_over) {
            const scrape now{all};
            CHECK(now.count("pool_hits_total") <= 2);
        }
    }};
    begun.wait();
    for (int i = 0; i != 200; ++i) {
        using pool_type = pool::basic_pool<std::string, fake_connection, pool::bounded>;
        std::optional<pool_type> conns{
            std::in_place, pool::bounded{}, pool::never{}, pool::pool_settings{.name = "db"}};
        pool_type removed{{}, {}, {.name = "removed"}};
        const auto label = std::make_shared<std::string>("x");  // destroyed with its function
        all.add(*conns, {}, [label](const std::string& key) { return *label + key; });
        all.add(removed);
        const auto lazy = conns->get("a", dials);
        const auto lent = conns->acquire("a", dials);
        conns->put("b", dials("b"));
        CHECK(all.remove(removed));
        conns.reset();
    }
    is_over = true;
    collector.join();
    CHECK(scrape{all}.empty());
}

TEST_CASE("metrics, threads: remove waits for a collection that is under way") {
    fake_dialer dials;
    pool::basic_pool<std::string, fake_connection, pool::bounded> conns{{}, {}, {.name = "db"}};
    conns.put("a", dials("a"));
    prometheus_pools all;
    latch asked{1};
    latch go_on{1};
    std::atomic<bool> is_removed{false};
    std::atomic<bool> was_removed{false};
    all.add(conns, {}, [&](const std::string& key) {
        asked.count_down();
        go_on.wait();
        for (int i = 0; i != 1'000 && !is_removed; ++i) std::this_thread::yield();  // time enough to return too early
        was_removed = is_removed.load();
        return key;
    });
    std::jthread collector{[&] { CHECK(scrape{all}.count("pool_key_connections") == 4); }};
    asked.wait();
    std::jthread remover{[&] {
        go_on.count_down();
        CHECK(all.remove(conns));
        is_removed = true;
    }};
    collector.join();
    remover.join();
    CHECK_FALSE(was_removed);
}

}  // namespace metric_threads
