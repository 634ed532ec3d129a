// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <clients/nginx_load.hpp>

// Users of a nginx, which closes connections as it likes.

namespace nginx {

TEST_CASE("nginx: nothing of what a user leaves behind reaches the next one") {
    const server web;
    check_misdeeds({web.plain(), web.secret()});
}

TEST_CASE("nginx: under load, each response is that of its own request, nobody fails, and nothing leaks") {
    const server web;
    check_load("nginx", web, {web.plain(), web.secret()}, is_full_tier() ? 1'000'000 : 50'000);
}

TEST_CASE("nginx: requests that meet the end of the keep-alive time are served all the same") {
    const server web;
    const std::size_t rounds = is_full_tier() ? 10'000 : 400;
    std::atomic<std::size_t> failed{0};
    std::atomic<std::size_t> repeated{0};
    connections conns{{.max_open = 8, .acquire_timeout = 60s}, pool::beast::ssl_dial{}};
    {
        std::vector<std::jthread> all;
        for (unsigned thread = 0; thread != 8; ++thread) {
            all.emplace_back([&, thread] {
                const pool::retry_stale retry{pool::beast::not_executed};
                const connection_key key = thread % 2 == 0 ? web.plain() : web.secret();
                std::minstd_rand random{thread + 1};
                for (std::size_t i = 0; i != rounds; ++i) {
                    const std::string nonce = std::to_string(thread) + '-' + std::to_string(i);
                    int calls = 0;
                    try {
                        conns.get(key).invoke(retry, [&](connection& c) {
                            ++calls;
                            const auto got = c.exchange(get("/brief", nonce));
                            check_answer("/brief", nonce, nonce_of(got), got.body(), false);
                        });
                    } catch (const std::exception& e) {
                        if (++failed < 10) std::printf("%s\n", e.what());
                    }
                    repeated += calls == 2;
                    // nginx ends what was idle for 10 ms, by a clock of milliseconds.
                    std::this_thread::sleep_for(std::chrono::microseconds{9'500 + random() % 1'500});
                }
            });
        }
    }
    const auto s = conns.stats();
    std::printf(
        "nginx: %zu requests about the end of the keep-alive time: %zu failed, %zu repeated, %zu found that their "
        "connection had ended, %zu dials\n",
        8 * rounds, failed.load(), repeated.load(), std::size_t{s.found_unhealthy + s.found_closed},
        std::size_t{s.dials});
    CHECK(failed == 0);
    CHECK(s.found_unhealthy + s.found_closed > 0);
}

TEST_CASE("nginx: restarts under load: who comes after them is served, and nobody gets a wrong answer") {
    server web;
    const std::size_t requests = is_full_tier() ? 100'000 : 10'000;
    constexpr int restarts = 4;
    outcome seen;
    connections conns{{.max_open = bound, .acquire_timeout = 60s}, pool::beast::ssl_dial{}};
    std::size_t next = requests / 10;
    call_from_threads(conns, {web.plain(), web.secret()}, requests, seen, nobody, [&] {
        if (seen.done() < next || seen.outages == 2 * restarts) return std::this_thread::yield();
        next += requests / 10;
        ++seen.outages;
        web.stop();
        web.start();
        ++seen.outages;
    });
    std::printf(
        "nginx: %d restarts, %zu served, %zu misbehaved, %zu wrong, %zu failed, %zu repeated while it was down\n",
        seen.outages / 2, seen.served.load(), seen.misbehaved.load(), seen.wrong.load(), seen.failed.load(),
        seen.in_outages.load());
    CHECK(seen.outages == 2 * restarts);
    CHECK(seen.wrong == 0);
    CHECK(seen.failed == 0);
    conns.clear();
    counter{web}.wait_for_none();  // one that was there before a restart may not know of it yet
}

}  // namespace nginx
