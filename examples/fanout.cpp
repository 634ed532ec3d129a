// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <fmt/format.h>
#include <sys/resource.h>

#include <pool/pool.hpp>

#include "fanout/connection.hpp"
#include "fanout/options.hpp"
#include "fanout/outage.hpp"
#include "fanout/phase.hpp"
#include "fanout/plot.hpp"
#include "fanout/report.hpp"
#include "fanout/servers.hpp"

/// @file
/// Sends the same requests to the same servers twice: first it dials for each request, then it uses a pool. With --plot
/// it then draws a pool over time. `--help` says more.

namespace fanout {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;

/// How long the server works on a request that is cancelled. The caller does not wait for it, and the connection is
/// blocked until the server has replied.
constexpr std::chrono::microseconds cancelled_work = 2ms;

/// How long a dial may take.
constexpr auto dial_patience = 2s;

/// After this many failed dials a phase ends early, because a server does not run.
constexpr std::uint64_t hopeless = 100;

/// Prefers IPv4, because the embedded servers listen there, and "localhost" often resolves to ::1 first.
tcp::endpoint resolve(const std::string& name) {
    boost::asio::io_context context;
    const auto [host, port] = split_address(name);
    boost::system::error_code error;
    const auto found = tcp::resolver{context}.resolve(host, port, error);
    if (error) throw std::runtime_error{fmt::format("{}: {}", name, error.message())};
    for (const auto& each : found)
        if (each.endpoint().protocol() == tcp::v4()) return each;
    return *found.begin();
}

/// Sends a request and receives its reply. A cancelled request is only sent.
outcome exchange(connection& conn, const request& next) {
    conn.send(next.id, next.cancelled ? cancelled_work : 0us);
    if (next.cancelled) return outcome::cancelled;
    return conn.receive() == reply_to(next.id) ? outcome::answered : outcome::wrong;
}

connection dial(const server& to, const pool::dial_context& limits, tally& counts) {
    try {
        connection fresh{to.endpoint, limits};
        ++counts.dialled;
        return fresh;
    } catch (const dial_failed&) {
        if (++counts.failed_dials >= hopeless) counts.give_up.request_stop();
        throw;
    }
}

pool::dial_context limits_of(const tally& counts) {
    return {std::chrono::steady_clock::now() + dial_patience, counts.give_up.get_token()};
}

phase_result run_unpooled(const options& chosen, const workload& work, const std::vector<server>& servers) {
    tally counts;
    return run_phase("unpooled", chosen, work, counts, [&](const request& next) {
        connection conn = dial(servers[next.server], limits_of(counts), counts);
        return exchange(conn, next);
    });
}

phase_result run_pooled(
    const options& chosen, const workload& work, const std::vector<server>& servers, pool::stats& stats) {
    tally counts;
    // Newest first: the connections that are needed stay in use. Those that only a burst needed stay idle and expire.
    pool::connection_pool<std::string, connection> connections{{
        .capacity = chosen.capacity,
        .key_capacity = chosen.key_capacity,
        .expiration = chosen.expiration,
        .reuse = pool::reuse_order::newest_first,
        .name = "fanout",
    }};
    const auto lazy = [&](const server& to) {
        return connections.get(to.name,
            [&counts, &to](const std::string&, const pool::dial_context& limits) { return dial(to, limits, counts); });
    };
    std::vector<decltype(lazy(servers.front()))> peers;
    for (const server& each : servers) peers.push_back(lazy(each));

    auto result = run_phase("pooled", chosen, work, counts, [&](const request& next) {
        try {
            return peers[next.server].invoke(limits_of(counts), [&](connection& conn) { return exchange(conn, next); });
        } catch (const went_stale&) {
            // Send it once more, on a new connection, which cannot be stale. These requests may be repeated. Not every
            // kind of request may.
            ++counts.retried;
            connection fresh = dial(servers[next.server], limits_of(counts), counts);
            const outcome end = exchange(fresh, next);
            connections.put(servers[next.server].name, std::move(fresh));
            return end;
        }
    });
    stats = connections.stats();
    connections.close().rethrow();
    return result;
}

/// Both ends of every connection are open files of this process, and the usual soft limit is only 1024.
void allow_many_files() {
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
}

/// Draws what the load of --plot has left.
void draw(const outage_result& outage, const std::string& file) {
    plot(outage.history,
        fmt::format("{} callers, {} server{}, at most {} connection{} to each", outage.callers, outage.servers,
            outage.servers == 1 ? "" : "s", outage.most_open, outage.most_open == 1 ? "" : "s"),
        file);
}

int run(const options& chosen) {
    allow_many_files();
    if (!chosen.plot.empty()) check_plot(chosen.plot);

    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    if (chosen.serve) ::pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // before any thread exists

    std::optional<embedded_servers> embedded;
    std::vector<server> servers;
    for (const std::string& name : chosen.connect) servers.push_back({name, resolve(name)});
    if (chosen.connect.empty()) {
        embedded.emplace(chosen.servers);
        for (const tcp::endpoint& each : embedded->endpoints())
            servers.push_back({fmt::format("{}:{}", each.address().to_string(), each.port()), each});
    }

    if (chosen.serve) {
        for (const server& each : servers) fmt::print("{}\n", each.name);
        std::fflush(stdout);
        int signal = 0;
        ::sigwait(&ends, &signal);
        return 0;
    }

    const workload work{chosen.seed, servers.size(), chosen.keys_skew, chosen.cancel};
    pool::stats stats;
    const phase_result unpooled = run_unpooled(chosen, work, servers);
    const phase_result pooled = run_pooled(chosen, work, servers, stats);
    const bool succeeded = unpooled.succeeded() && pooled.succeeded();
    std::optional<outage_result> outage;
    if (!chosen.plot.empty() && succeeded) outage = run_outage(chosen, servers, embedded ? &*embedded : nullptr);

    print_report(chosen, unpooled, pooled, stats, outage);
    print_failures("unpooled", chosen, unpooled);
    print_failures("pooled", chosen, pooled);
    if (outage) {
        print_failures(*outage);
        draw(*outage, chosen.plot);
    } else if (!chosen.plot.empty()) {
        fmt::print(stderr, "fanout: no picture is drawn, because requests failed before its load began\n");
    }
    return succeeded && (!outage || outage->succeeded()) ? 0 : 1;
}

}  // namespace
}  // namespace fanout

int main(int argc, char** argv) {
    try {
        const auto parsed = fanout::parse_options(argc, argv);
        if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
        return fanout::run(std::get<fanout::options>(parsed));
    } catch (const std::exception& error) {
        fmt::print(stderr, "fanout: {}\n", error.what());
        return 1;
    }
}
