// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <clients/fault_checks.hpp>
#include <clients/nginx_load.hpp>
#include <support/descriptors.hpp>
#include <support/fault_proxy.hpp>

// Users of a nginx behind a network that misbehaves: bodies are cut anywhere, for instance.

namespace nginx {

using support::fault;
using support::fault_proxy;

/// The same server by another port.
static connection_key by(connection_key key, const fault_proxy& proxy) {
    key.port = proxy.port();
    return key;
}

TEST_CASE(
    "nginx_faults: whatever the network does, no response is wrong, nobody else has the error, and nothing leaks") {
    const server web;
    counter admin{web};
    const std::size_t requests = is_full_tier() ? 500'000 : 2'000;
    bool has_tls = false;
    SUBCASE("without TLS") {}
    SUBCASE("with TLS") { has_tls = true; }
    const std::size_t descriptors = support::count_descriptors();
    {
        const connection_key direct = has_tls ? web.secret() : web.plain();
        fault_proxy proxy{direct.port, 1, {.cut = 60, .delayed = 10, .most_bytes = 50'000}, {.stall_ends = 50ms}};
        const connection_key key = by(direct, proxy);
        outcome seen;
        connections conns{{.max_open = bound, .acquire_timeout = 60s}, pool::beast::ssl_dial{}};
        // A dial that fails is counted below.
        const auto is_excused = [&](int port) { return port == 0 || proxy.was_cut(port); };
        call_from_threads(conns, {key}, requests, seen, is_excused, [] { std::this_thread::sleep_for(5ms); });

        const auto n = proxy.count();
        std::printf(
            "nginx by the fault proxy, %s: %zu served, %zu misbehaved, %zu wrong, %zu failed by themselves, %zu by "
            "their own fault; of %zu connections, %zu truncated, %zu reset, %zu stalled, %zu delayed, %zu sliced; "
            "%zu in use at most\n",
            key.scheme.c_str(), seen.served.load(), seen.misbehaved.load(), seen.wrong.load(), seen.failed.load(),
            seen.excused.load(), n.connections, n.truncated, n.reset, n.stalled, n.delayed, n.sliced, n.most_in_use);
        CHECK(seen.wrong == 0);
        CHECK(seen.failed == 0);
        CHECK(seen.excused <= n.cut());
        check_faults(n, conns.stats(), bound);

        proxy.heal();
        const auto failed_dials = conns.stats().failed_dials;
        {
            std::vector<connections::lease_type> all;
            for (std::size_t i = 0; i != bound; ++i) {
                all.push_back(conns.acquire(key));
                behave(*all.back(), std::to_string(i), 0);
            }
        }
        CHECK(conns.stats().failed_dials == failed_dials);
        CHECK(conns.stats().idle == bound);
        conns.clear();
        admin.wait_for_none();
        while (proxy.count().open != 0) std::this_thread::yield();
    }
    CHECK(support::count_descriptors() == descriptors);
}

TEST_CASE("nginx_faults: a silent network holds up a dial, an exchange and a close no longer than their limits") {
    const server web;
    fault_proxy proxy{web.secret().port, [](std::size_t) { return fault{}; }, {}};
    const connection_key key = by(web.secret(), proxy);
    connections conns{
        {.max_open = 3, .acquire_timeout = 10s}, pool::timed(1s, pool::beast::ssl_dial{{.exchange_timeout = 50ms}})};
    {
        auto first = conns.acquire(key);
        auto second = conns.acquire(key);
        second.give_back();
        proxy.stall();
        try {
            first->exchange(get("/echo", "lost"));
            FAIL("it is answered");
        } catch (const pool::beast::error& e) {
            CHECK(e.code() == std::errc::timed_out);
            CHECK_FALSE(pool::beast::not_executed(e));
        }
    }
    CHECK(conns.stats().idle == 1);
    conns.clear();
    CHECK_THROWS_AS((void)conns.acquire(key), std::system_error);
    CHECK(conns.stats().failed_dials == 1);
    CHECK(conns.stats().lent == 0);
    proxy.heal();  // those that are stalled are lost, and the next ones are well
    // A dial with limits of its own, which are longer.
    connections others{{.max_open = 1, .acquire_timeout = 10s}, pool::beast::ssl_dial{}};
    others.invoke(key, [](connection& c) { behave(c, "next", 0); });
}

}  // namespace nginx
