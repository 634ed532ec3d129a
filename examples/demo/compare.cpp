// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <exception>
#include <limits>
#include <locale>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <thread>
#include <tuple>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "../fanout/percentile.hpp"
#include "../fanout/progress.hpp"
#include "compare.hpp"

namespace demo {

namespace {

using clock = std::chrono::steady_clock;

/// So long all threads call with the pool, then without it, and so on. What else the machine does meets both.
constexpr std::chrono::milliseconds turn{100};

/// After so many failed calls the rest is left out: the server does not run.
constexpr std::uint64_t hopeless = 100;

/// The calls of one kind.
struct tally {
    std::vector<clock::duration> latencies;  ///< of calls that were answered
    std::uint64_t wrong = 0;
    std::uint64_t failed = 0;
    std::string first_error;

    std::uint64_t calls() const { return latencies.size() + failed; }

    void add(const tally& other) {
        latencies.insert(latencies.end(), other.latencies.begin(), other.latencies.end());
        wrong += other.wrong;
        failed += other.failed;
        if (first_error.empty()) first_error = other.first_error;
    }
};

/// Those without a pool, and those with it.
using both = std::array<tally, 2>;

both call_in_turns(const options& chosen, const subject& what) {
    std::vector<both> of_threads(chosen.threads);
    std::atomic<std::uint64_t> next{1};
    std::atomic<std::uint64_t> failed{0};
    const auto begin = clock::now();
    {
        const auto elapsed = [begin] { return static_cast<std::uint64_t>((clock::now() - begin).count()); };
        const fanout::progress_bar bar{"calling", elapsed, static_cast<std::uint64_t>(chosen.time.count())};
        std::vector<std::jthread> threads;
        for (both& mine : of_threads) {
            threads.emplace_back([&] {
                for (auto now = clock::now(); now - begin < chosen.time && failed < hopeless;) {
                    const bool is_pooled = (now - begin) / turn % 2 == 1;
                    tally& counts = mine[is_pooled ? 1 : 0];
                    try {
                        const auto number = next.fetch_add(1, std::memory_order_relaxed);
                        const bool is_right = is_pooled ? what.pooled(number) : what.unpooled(number);
                        if (!is_right) ++counts.wrong;
                        counts.latencies.push_back(clock::now() - now);
                    } catch (const std::exception& error) {
                        if (counts.first_error.empty()) counts.first_error = error.what();
                        ++counts.failed;
                        ++failed;
                    }
                    now = clock::now();
                }
            });
        }
    }
    both all;
    for (const both& each : of_threads)
        for (std::size_t kind = 0; kind < all.size(); ++kind) all[kind].add(each[kind]);
    return all;
}

/// Writes 1234567 as 1,234,567, whichever locales are installed.
std::string grouped(double value, int decimals) {
    struct commas : std::numpunct<char> {
        char do_thousands_sep() const override { return ','; }
        std::string do_grouping() const override { return "\3"; }
    };
    return fmt::format(std::locale{std::locale::classic(), new commas}, "{:.{}Lf}", value, decimals);
}

void print_row(const char* label, double unpooled, double pooled, int decimals, bool has_ratio) {
    fmt::print("{:<24}{:>12}{:>12}", label, grouped(unpooled, decimals), grouped(pooled, decimals));
    if (has_ratio && unpooled > 0) fmt::print("{:#10.3g}", pooled / unpooled);
    fmt::print("\n");
}

void print_table(const options& chosen, const subject& what, both& all) {
    const auto [unpooled, pooled] = std::tie(all[0], all[1]);
    const pool::stats stats = what.stats();
    const auto count = [](std::uint64_t n) { return static_cast<double>(n); };
    // Only a part of the time belongs to each kind: the sum of its latencies.
    const auto rate = [&](const tally& of) {
        const auto sum = std::accumulate(of.latencies.begin(), of.latencies.end(), clock::duration{});
        const double seconds = std::chrono::duration<double>(sum).count() / count(chosen.threads);
        return count(of.latencies.size()) / std::max(seconds, 1e-9);
    };
    const auto microseconds = [](tally& of, double share) {
        return std::chrono::duration<double, std::micro>(fanout::percentile(of.latencies, share)).count();
    };
    fmt::print("{} by {} threads for {} s: {}\na pool of at most {} connections, and a dial for each call, in turn\n\n"
               "{:<24}{:>12}{:>12}{:>10}\n",
        what.server, chosen.threads, std::chrono::duration<double>(chosen.time).count(), what.call, chosen.connections,
        "", "unpooled", "pooled", "ratio");
    print_row("calls", count(unpooled.calls()), count(pooled.calls()), 0, true);
    print_row("calls/s", rate(unpooled), rate(pooled), 0, true);
    print_row("latency p50, us", microseconds(unpooled, 0.5), microseconds(pooled, 0.5), 1, true);
    print_row("latency p99, us", microseconds(unpooled, 0.99), microseconds(pooled, 0.99), 1, true);
    print_row("connections dialled", count(unpooled.latencies.size()), count(stats.dials), 0, true);
    const double lookups = count(stats.hits + stats.misses);
    print_row("reuse %", 0, 100 * count(stats.hits) / std::max(lookups, 1.0), 2, false);
    print_row("wrong replies", count(unpooled.wrong), count(pooled.wrong), 0, false);
    print_row("failed calls", count(unpooled.failed), count(pooled.failed), 0, false);
}

/// Nothing if the program has to end, with that exit code.
std::optional<options> parse(int argc, const char* const* argv, const char* name, int& code) {
    options chosen;
    double seconds = std::chrono::duration<double>(chosen.time).count();
    std::string own_server;
    CLI::App app{"Makes the same calls to a server in turn: with connections of a pool, and with one that is dialled\n"
                 "for each call. It checks every reply.\n\n"
                 "Exit code: 0, 1 if a call failed or a reply was wrong, 2 for a bad option.\n",
        name};
    app.get_formatter()->column_width(36);
    auto* url = app.add_option("--url", chosen.url, "a server of yours");
    app.add_option("server", own_server, "the URL of a server that scripts/server.sh has started")->excludes(url);
    app.add_option("--threads", chosen.threads, "callers")->capture_default_str()->check(CLI::Range(1, 1000));
    app.add_option("--connections", chosen.connections, "the most that the pool may have")
        ->capture_default_str()
        ->check(CLI::Range(1, 1000));
    app.add_option("--time", seconds, "seconds that the calls take")
        ->capture_default_str()
        ->check(CLI::Range(0.2, 3600.0));
    try {
        app.parse(argc, argv);
        if (chosen.url.empty() && own_server.empty()) throw CLI::RequiredError("--url");
    } catch (const CLI::ParseError& error) {
        code = error.get_exit_code() == 0 ? app.exit(error) : 2;
        if (code != 0) fmt::print(stderr, "{}: {}\n", name, error.what());
        return {};
    }
    chosen.is_own_server = chosen.url.empty();
    if (chosen.is_own_server) chosen.url = own_server;
    chosen.time = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
    return chosen;
}

}  // namespace

int run(int argc, const char* const* argv, const char* name, const std::function<subject(const options&)>& make) {
    int code = 0;
    const std::optional<options> chosen = parse(argc, argv, name, code);
    if (!chosen) return code;
    std::signal(SIGPIPE, SIG_IGN);  // a server that ends is an error of the call
    try {
        const subject what = make(*chosen);
        if (!what.unpooled(0)) throw std::runtime_error{"the reply is wrong"};  // before any load
        both all = call_in_turns(*chosen, what);
        print_table(*chosen, what, all);
        for (const tally& each : all)
            if (!each.first_error.empty()) fmt::print(stderr, "{}: a call failed: {}\n", name, each.first_error);
        return all[0].wrong + all[0].failed + all[1].wrong + all[1].failed == 0 ? 0 : 1;
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", name, error.what());
        return 1;
    }
}

}  // namespace demo
