// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <clients/fault_checks.hpp>
#include <clients/postgres_load.hpp>
#include <support/descriptors.hpp>
#include <support/fault_proxy.hpp>

// Users of a PostgreSQL behind a network that misbehaves.

namespace postgres {

using support::fault;
using support::fault_proxy;

static connection_key key_by(const fault_proxy& proxy) {
    return database::key_at("postgresql://test@127.0.0.1:" + std::to_string(proxy.port()) + "/postgres");
}

TEST_CASE(
    "postgres_faults: whatever the network does, no answer is wrong, nobody else has the error, and nothing leaks") {
    // A command that is running would not notice that its client has gone.
    database db{"client_connection_check_interval=50ms"};
    constexpr std::size_t bound = 6;
    const std::size_t requests = load(false);
    const std::size_t descriptors = support::count_descriptors();
    {
        fault_proxy proxy{db.port(), 1, {.cut = 60, .delayed = 10}, {.stall_ends = 50ms, .counts_from = 17}};
        way to = straight_to(db);
        to.name = "postgres by the fault proxy";
        to.key = key_by(proxy);
        std::atomic<std::size_t> failed_dials{0};
        to.is_excused = [&](int port) {
            if (port != 0) return proxy.was_cut(port);
            ++failed_dials;
            return true;  // it is counted below
        };
        outcome seen;
        connections conns{{.max_open = bound, .acquire_timeout = 60s}, quiet_dial()};
        call_from_threads(conns, to, requests, seen, [&] { std::this_thread::sleep_for(5ms); });

        const auto n = proxy.count();
        std::printf(
            "%s: %zu served, %zu misbehaved, %zu wrong, %zu failed by themselves, %zu by their own fault; of %zu "
            "connections, %zu truncated, %zu reset, %zu stalled, %zu delayed, %zu sliced; %zu in use at most\n",
            to.name.c_str(), seen.served.load(), seen.misbehaved.load(), seen.wrong.load(), seen.failed.load(),
            seen.excused.load(), n.connections, n.truncated, n.reset, n.stalled, n.delayed, n.sliced, n.most_in_use);
        INFO(seen.first_error);
        CHECK(seen.wrong == 0);
        CHECK(seen.failed == 0);
        CHECK(seen.excused <= n.cut());
        CHECK(failed_dials <= conns.stats().failed_dials);
        check_faults(n, conns.stats(), bound);

        proxy.heal();
        const auto dials = conns.stats().failed_dials;
        {
            std::vector<connections::lease_type> all;
            for (std::size_t i = 0; i != bound; ++i) {
                all.push_back(conns.acquire(to.key));
                check_clean(*all.back());
            }
        }
        CHECK(conns.stats().failed_dials == dials);
        CHECK(conns.stats().idle == bound);
        conns.clear();
        while (to.count_open() != 0) std::this_thread::yield();
        while (proxy.count().open != 0) std::this_thread::yield();
    }
    while (support::count_descriptors() != descriptors) std::this_thread::yield();  // requests to cancel may go on
    CHECK(text(db.admin()->execute("select count(*) from kept")) == "0");
}

TEST_CASE("postgres_faults: a silent network holds up a dial, a give-back and a close no longer than their limits") {
    database& db = shared_database();
    fault_proxy proxy{db.port(), [](std::size_t) { return fault{}; }, {}};
    const pool::libpq::options brief{.reset_timeout = 20ms, .close_timeout = 20ms};
    connections conns{{.max_open = 3, .acquire_timeout = 10s}, pool::timed(1s, pool::libpq::dial{brief})};
    const connection_key key = key_by(proxy);
    {
        auto first = conns.acquire(key);
        auto busy = conns.acquire(key);
        conns.acquire(key).give_back();
        proxy.stall();
        REQUIRE(PQsendQuery(*busy, "select pg_sleep(100)") == 1);
    }
    CHECK(conns.stats().failed_resets == 2);
    CHECK(conns.stats().idle == 1);
    conns.clear();
    CHECK_THROWS_AS((void)conns.acquire(key), std::system_error);
    CHECK(conns.stats().failed_dials == 1);
    CHECK(conns.stats().lent == 0);
    proxy.heal();  // those that are stalled are lost, and the next ones are well
    conns.invoke(key, check_clean);
}

}  // namespace postgres
