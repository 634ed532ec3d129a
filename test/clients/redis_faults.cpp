// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <system_error>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <clients/fault_checks.hpp>
#include <clients/redis_load.hpp>
#include <support/descriptors.hpp>
#include <support/fault_proxy.hpp>

// Users of a Redis behind a network that misbehaves.

namespace redis_test {

using support::fault;
using support::fault_proxy;

TEST_CASE("redis_faults: whatever the network does, no answer is wrong, nobody else has the error, and nothing leaks") {
    std::signal(SIGPIPE, SIG_IGN);  // hiredis 0.14 writes without MSG_NOSIGNAL
    const server redis;
    auto admin = dial_admin(redis);
    const int requests = is_full_tier() ? 1'000'000 : 10'000;
    const std::size_t descriptors = support::count_descriptors();
    {
        fault_proxy proxy{redis.port(), 1, {.cut = 60, .delayed = 10}, {.stall_ends = std::chrono::milliseconds{50}}};
        // A dial that fails is counted below.
        const auto is_excused = [&](int port) { return port == 0 || proxy.was_cut(port); };
        const way to{.name = "redis by the fault proxy",
            .port = proxy.port(),
            .restart = {},
            .tells_late = true,
            .is_excused = is_excused};
        counts total;
        outages none;
        redis_pool conns{{.max_open = bound, .acquire_timeout = 1min}, hiredis::dial{{.command_timeout = 30s}}};
        call_from_threads(
            conns, to, requests, none, total, [] { std::this_thread::sleep_for(5ms); });  // the proxy counts

        const auto n = proxy.count();
        std::printf("%s: %d served, %d misbehaved, %d wrong, %d failed by themselves, %d by their own fault; of %zu "
                    "connections, %zu truncated, %zu reset, %zu stalled, %zu delayed, %zu sliced; %zu in use at most\n",
            to.name.c_str(), total.served.load(), total.mischief.load(), total.wrong.load(), total.errors.load(),
            total.excused.load(), n.connections, n.truncated, n.reset, n.stalled, n.delayed, n.sliced, n.most_in_use);
        CHECK(total.wrong == 0);
        CHECK(total.errors == 0);
        CHECK(total.excused <= static_cast<int>(n.cut()));
        check_faults(n, conns.stats(), bound);

        proxy.heal();
        const auto failed_dials = conns.stats().failed_dials;
        const auto key = two_keys(to)[1];
        {
            std::vector<redis_pool::lease_type> all;
            for (int i = 0; i != bound; ++i) {
                all.push_back(conns.acquire(key));
                behave(*all.back(), std::to_string(i), 1);
                CHECK(field(text_of(all.back()->command("CLIENT INFO")), "db") == "3");
            }
        }
        CHECK(conns.stats().failed_dials == failed_dials);
        CHECK(conns.stats().idle == bound);
        conns.clear();
        while (count_others(admin) != 0) std::this_thread::yield();
        while (proxy.count().open != 0) std::this_thread::yield();
    }
    CHECK(support::count_descriptors() == descriptors);
}

TEST_CASE("redis_faults: a silent network holds up a dial, a give-back and a close no longer than their limits") {
    const server redis;
    fault_proxy proxy{redis.port(), [](std::size_t) { return fault{}; }, {}};
    const hiredis::options brief{.reset_timeout = 20ms, .close_timeout = 20ms, .command_timeout = 20ms};
    redis_pool conns{{.max_open = 3, .acquire_timeout = 10s}, pool::timed(1s, hiredis::dial{brief})};
    const hiredis::connection_key key{.port = proxy.port()};
    {
        auto first = conns.acquire(key);
        auto busy = conns.acquire(key);
        conns.acquire(key).give_back();
        proxy.stall();
        CHECK_THROWS_WITH_AS(busy->command("PING"), "redis: no reply within the timeout", hiredis::error);
    }
    CHECK(conns.stats().failed_resets == 1);
    CHECK(conns.stats().idle == 1);
    conns.clear();
    CHECK_THROWS_AS((void)conns.acquire(key), std::system_error);
    CHECK(conns.stats().failed_dials == 1);
    CHECK(conns.stats().lent == 0);
    proxy.heal();  // those that are stalled are lost, and the next ones are well
    conns.invoke(key, [](hiredis::connection& c) { behave(c, "next", 1); });
}

}  // namespace redis_test
