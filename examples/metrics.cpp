// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <prometheus/exposer.h>

#include <pool/metrics/prometheus.hpp>
#include <pool/pool.hpp>

/// @file
/// Serves the metrics of a pool on loopback, while eight threads call three servers through it. Now and then a dial fails, a
/// call fails, and a caller is in a hurry, so that there is something to see. It ends after a time, after a number of
/// requests, or by SIGINT or SIGTERM.

namespace {

using namespace std::chrono_literals;

std::atomic<bool> interrupted{false};

/// A session with a server.
class session {
public:
    /// Each 100th call fails.
    void query(std::uint64_t request) {
        std::this_thread::sleep_for(200us);  // the server's work
        if (request % 100 == 99) throw std::runtime_error{"the server has closed the session"};
    }

    void close() { is_open_ = false; }
    bool closed() const noexcept { return !is_open_; }
    bool unblocked() const noexcept { return true; }

private:
    bool is_open_ = true;
};

// [register]
using sessions = pool::bounded_pool<std::string, session>;

/// The metrics that an exposer serves. They refer to the pool weakly, so the pool may end before them.
std::shared_ptr<pool::metrics::prometheus_pools> metrics_of(const sessions& conns) {
    auto metrics = std::make_shared<pool::metrics::prometheus_pools>();
    metrics->add(conns, {{"service", "orders"}}, [](const std::string& host) { return host; });
    return metrics;
}
// [/register]

/// Calls the servers until there is nothing left to do.
template <class IsOver>
void call_servers(sessions& conns, std::atomic<std::uint64_t>& requests, const IsOver& is_over) {
    while (!is_over()) {
        const std::uint64_t request = requests++;
        const std::string host = "db-" + std::to_string(request % 3 + 1);
        try {
            const auto timeout = request % 20 == 19 ? 100us : 10s;  // one in a hurry
            conns.invoke(host, timeout, [&](session& s) { s.query(request); });
        } catch (const std::exception&) {
            // Counted by the pool: a failed dial, a failed call, or a timeout.
        }
    }
}

int run(int argc, char** argv) {
    int port = 0;
    double seconds = std::numeric_limits<double>::infinity();
    std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    CLI::App options{"Serves the metrics of a pool on loopback, while it is used."};
    options.add_option("--port", port, "the port to serve on; 0 is any that is free")->check(CLI::Range(0, 65535));
    options.add_option("--seconds", seconds, "ends after this time")->check(CLI::PositiveNumber);
    options.add_option("--requests", most, "ends after so many requests");
    CLI11_PARSE(options, argc, argv);
    std::signal(SIGINT, [](int) { interrupted = true; });
    std::signal(SIGTERM, [](int) { interrupted = true; });

    std::atomic<int> dials{0};
    sessions conns{{.max_open = 4, .max_waiting = 16, .expiration = 1min, .name = "db", .histograms = true},
        [&](const std::string&) {
            if (++dials % 7 == 0) throw std::runtime_error{"connection refused"};
            return session{};
        }};

    // [serve]
    const auto metrics = metrics_of(conns);
    prometheus::Exposer exposer{"127.0.0.1:" + std::to_string(port)};
    exposer.RegisterCollectable(metrics);
    // [/serve]
    fmt::print("http://127.0.0.1:{}/metrics\n", exposer.GetListeningPorts().front());
    std::fflush(stdout);

    const auto begin = std::chrono::steady_clock::now();
    std::atomic<std::uint64_t> requests{0};
    const auto is_over = [&] {
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
        return interrupted || requests >= most || time.count() >= seconds;
    };
    {
        std::vector<std::jthread> callers;
        for (int i = 0; i != 8; ++i) callers.emplace_back([&] { call_servers(conns, requests, is_over); });
    }
    const pool::stats s = conns.stats();
    fmt::print("{} requests, {} look-ups, {} lent\n", requests.load(), s.hits + s.misses, s.lent);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "metrics: {}\n", error.what());
        return 1;
    }
}
