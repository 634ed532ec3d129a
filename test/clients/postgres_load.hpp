// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <pool/pool.hpp>

#include <clients/postgres_server.hpp>
#include <support/fault_proxy.hpp>
#include <support/tier.hpp>

/// @file
/// Many users of a pool of connections to PostgreSQL, of whom a tenth misbehaves, whatever lies between the pool and the server.

namespace postgres {

using namespace std::chrono_literals;
using connections = pool::bounded_pool<connection_key, connection>;

/// How the pools get to a database, and how the tests look at it and disturb it.
struct way {
    std::string name;
    connection_key key;
    /// How many connections of the pool there are, as those count whom it dials.
    std::function<std::size_t()> count_open;
    /// Ends a connection that is idle in the pool, if there is one. Returns how many it has ended.
    std::function<std::size_t()> end_one;
    std::function<void()> stop;
    std::function<void()> start;
    /// Whether a user is excused whose connection has this port of its own; zero, if it got none.
    std::function<bool(int)> is_excused = [](int) { return false; };
};

/// To the server itself.
inline way straight_to(database& db) {
    return {.name = "postgres",
        .key = db.key(),
        .count_open =
            [admin = std::shared_ptr<connection>{db.admin()}] {
                return std::stoul(text(admin->execute(count_pooled)));
            },
        .end_one =
            [admin = std::shared_ptr<connection>{db.admin()}] {
                const result ended = admin->execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name <> 'admin' "
                    "and backend_type = 'client backend' and state = 'idle' "
                    "and query = 'DISCARD ALL' order by random() limit 1");
                return static_cast<std::size_t>(PQntuples(ended.get()));
            },
        .stop = [&db] { db.stop(); },
        .start = [&db] { db.start(); }};
}

/// What has happened.
struct outcome {
    std::atomic<std::size_t> served{0};
    std::atomic<std::size_t> misbehaved{0};
    std::atomic<std::size_t> wrong{0};      ///< answers to somebody else, or of a session that is not clean
    std::atomic<std::size_t> failed{0};     ///< errors of callers that did nothing wrong, while the server was up
    std::atomic<std::size_t> excused{0};    ///< those of which the way says that they could not be served
    std::atomic<std::size_t> meanwhile{0};  ///< those while it was down, or going down
    std::atomic<std::size_t> most_open{0};  ///< as the server counts
    std::atomic<std::size_t> ended{0};      ///< connections that the server was told to end
    std::atomic<int> downs{0};              ///< how often it has gone down, twice, and one more while it is down
    std::mutex mutex;
    std::string first_error;

    /// Keeps the first of them.
    void note(const std::string& error) {
        const std::lock_guard guard{mutex};
        if (first_error.empty()) first_error = error;
    }
};

/// One request: its answer has a number that no other request has, and says what another user would have left behind. The port
/// of the last connection that it has got is left in `port`.
inline void ask(connections& conns, const connection_key& key, const std::string& nonce, outcome& seen, int& port) {
    const pool::retry_stale retry{pool::libpq::lost_connection};
    auto peer = conns.get(key);
    const std::string answer = peer.invoke(retry, [&](connection& c) {
        port = support::local_port(PQsocket(c));
        const result got =
            c.execute("select $1::text || ' ' || current_user || ' ' || current_setting('search_path') || ' ' || "
                      "(select count(*) from pg_listening_channels()) || ' ' || "
                      "coalesce(to_regclass('pg_temp.left_behind')::text, 'none')",
                {nonce.c_str()});
        return text(got);
    });
    if (answer == nonce + " test \"$user\", public 0 none") return;
    ++seen.wrong;
    seen.note("asked with " + nonce + ", got " + answer);
}

/// Calls from several threads, of which some misbehave. `disturb` is called by one more thread, until they are done.
template <class Disturb>
void call_from_threads(connections& conns, const way& to, std::size_t requests, outcome& seen, const Disturb& disturb) {
    constexpr std::size_t threads = 8;
    std::atomic<std::size_t> running{threads};
    std::vector<std::jthread> callers;
    for (std::size_t thread = 0; thread != threads; ++thread) {
        callers.emplace_back([&, thread] {
            std::minstd_rand random{static_cast<unsigned>(thread + 1)};
            for (std::size_t i = 0; i != requests / threads; ++i) {
                const std::string nonce = std::to_string(thread) + '-' + std::to_string(i);
                const bool misbehaves = random() % 10 == 0;
                const int before = seen.downs;
                int port = 0;
                try {
                    if (misbehaves) {
                        const misdeed& what = misdeeds[random() % std::size(misdeeds)];
                        ++seen.misbehaved;
                        conns.invoke(to.key, what.commit);
                    } else {
                        ask(conns, to.key, nonce, seen, port);
                        ++seen.served;
                    }
                } catch (const std::exception& e) {
                    if (misbehaves) continue;
                    if (const int now = seen.downs; now != before || now % 2 != 0) {
                        ++seen.meanwhile;
                        if (now % 2 != 0) seen.downs.wait(now);
                        continue;
                    }
                    if (to.is_excused(port)) {
                        ++seen.excused;
                        continue;
                    }
                    ++seen.failed;
                    seen.note(e.what());
                }
            }
            --running;
        });
    }
    callers.emplace_back([&] {
        while (running != 0) disturb();
    });
}

/// Half a hundred thousand for a server, and less for each way to it that is not the first.
inline std::size_t load(bool is_first = true) { return is_full_tier() ? 1'000'000 : is_first ? 50'000 : 10'000; }

/// No answer reaches another user, nobody fails, and the bound is what the other end counts.
inline void check_load(database& db, const way& to, std::size_t requests) {
    constexpr std::size_t bound = 6;
    outcome seen;
    {
        connections conns{{.max_open = bound, .acquire_timeout = 60s}, quiet_dial()};
        call_from_threads(conns, to, requests, seen, [&] {
            const auto now = to.count_open();
            if (now > seen.most_open) seen.most_open = now;
            seen.ended += to.end_one();
            std::this_thread::sleep_for(5ms);  // it is the load, not the test, that takes time
        });
        CHECK(conns.stats().lent == 0);
        const auto s = conns.stats();
        std::printf("%s: %zu served, %zu misbehaved, %zu wrong, %zu failed, %zu ended by the server, %zu open at "
                    "most; %zu dials, %zu hits, %zu unhealthy, %zu failed resets, %zu discarded\n",
            to.name.c_str(), seen.served.load(), seen.misbehaved.load(), seen.wrong.load(), seen.failed.load(),
            seen.ended.load(), seen.most_open.load(), std::size_t{s.dials}, std::size_t{s.hits},
            std::size_t{s.found_unhealthy}, std::size_t{s.failed_resets}, std::size_t{s.discarded});
    }
    INFO(seen.first_error);
    CHECK(seen.wrong == 0);
    CHECK(seen.failed == 0);
    CHECK(seen.most_open.load() <= bound);
    CHECK(seen.misbehaved.load() > requests / 20);
    while (to.count_open() != 0) std::this_thread::yield();
    CHECK(text(db.admin()->execute("select count(*) from kept")) == "0");
}

/// Whatever stands on the way is restarted four times.
inline void check_restarts(const way& to, std::size_t requests) {
    outcome seen;
    connections conns{{.max_open = 6, .acquire_timeout = 60s}, quiet_dial()};
    constexpr int restarts = 4;
    std::size_t next = requests / 10;
    call_from_threads(conns, to, requests, seen, [&] {
        if (seen.served < next) return std::this_thread::yield();
        next += requests / 10;
        if (++seen.downs > 2 * restarts) return void(--seen.downs);
        to.stop();
        to.start();
        ++seen.downs;
        seen.downs.notify_all();
    });
    std::printf("%s: %d restarts, %zu served, %zu misbehaved, %zu wrong, %zu failed, %zu failed while it was down\n",
        to.name.c_str(), seen.downs / 2, seen.served.load(), seen.misbehaved.load(), seen.wrong.load(),
        seen.failed.load(), seen.meanwhile.load());
    INFO(seen.first_error);
    CHECK(seen.downs == 2 * restarts);
    CHECK(seen.wrong == 0);
    CHECK(seen.failed == 0);
    conns.invoke(to.key, check_clean);
}

/// One user after another: each misdeed, and then somebody who looks what is left of it.
inline void check_misdeeds(const connection_key& key) {
    for (const misdeed& each : misdeeds) {
        CAPTURE(each.name);
        connections conns{{.max_open = 1, .acquire_timeout = 10s}, quiet_dial()};
        conns.invoke(key, each.commit);
        CHECK(conns.stats().idle == each.is_kept);
        const auto before = conns.stats().dials;
        conns.invoke(key, check_clean);
        CHECK(conns.stats().dials == before + !each.is_kept);
        conns.invoke(key, [](connection& c) { c.execute("drop table if exists nobody_has_it"); });  // a notice
    }
}

}  // namespace postgres
