// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <cmath>
#include <locale>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "report.hpp"

namespace fanout {

namespace {

/// One line of the table and one member of each JSON object.
struct figure {
    const char* label;
    const char* key;
    std::optional<double> unpooled;  ///< empty if only a pool has this figure
    double pooled;
    int decimals = 0;
};

std::vector<figure> figures(const phase_result& unpooled, const phase_result& pooled, const pool::stats& stats) {
    const auto count = [](std::uint64_t n) { return static_cast<double>(n); };
    const auto rate = [&](const phase_result& r) {
        return count(r.count(outcome::answered) + r.count(outcome::cancelled)) / std::max(r.elapsed.count(), 1e-9);
    };
    const auto row = [&](const char* label, const char* key, outcome kind) {
        return figure{label, key, count(unpooled.count(kind)), count(pooled.count(kind))};
    };
    const double lookups = std::max(1.0, count(stats.hits + stats.misses));
    return {
        {"requests/s", "requests_per_second", rate(unpooled), rate(pooled)},
        {"latency p50, us", "p50_us", unpooled.p50.count(), pooled.p50.count(), 1},
        {"latency p99, us", "p99_us", unpooled.p99.count(), pooled.p99.count(), 1},
        {"latency p99.9, us", "p99_9_us", unpooled.p999.count(), pooled.p999.count(), 1},
        row("replies checked", "answered", outcome::answered),
        row("cancelled", "cancelled", outcome::cancelled),
        {"connections dialled", "dialled", count(unpooled.dialled), count(pooled.dialled)},
        {"reuse %", "reuse_percent", 0.0, 100 * count(stats.hits) / lookups, 2},
        {"evicted", "evicted", {}, count(stats.evicted)},
        {"expired", "expired", {}, count(stats.expired)},
        {"closed found", "found_closed", {}, count(stats.found_closed)},
        {"blocked skipped", "skipped_blocked", {}, count(stats.skipped_blocked)},
        {"sent again", "retried", {}, count(pooled.retried)},
        row("wrong replies", "wrong", outcome::wrong),
        row("failed requests", "failed", outcome::failed),
        {"failed dials", "failed_dials", count(unpooled.failed_dials), count(pooled.failed_dials)},
    };
}

/// Writes 1234567 as 1,234,567, whichever locales are installed.
std::string grouped(double value, int decimals) {
    struct commas : std::numpunct<char> {
        char do_thousands_sep() const override { return ','; }
        std::string do_grouping() const override { return "\3"; }
    };
    return fmt::format(std::locale{std::locale::classic(), new commas}, "{:.{}Lf}", value, decimals);
}

nlohmann::ordered_json number(double value, int decimals) {
    if (decimals == 0) return std::llround(value);
    return value;
}

void print_json(const options& chosen, const std::vector<figure>& all, const std::optional<outage_result>& outage) {
    nlohmann::ordered_json report;
    report["parameters"] = {
        {"servers", chosen.servers},
        {"connect", chosen.connect},
        {"requests", chosen.requests},
        {"bursts", bursts},
        {"threads", chosen.threads},
        {"keys_skew", chosen.keys_skew},
        {"cancel", chosen.cancel},
        {"capacity", chosen.capacity},
        {"key_capacity", chosen.key_capacity},
        {"expiration_seconds", std::chrono::duration<double>(chosen.expiration).count()},
        {"seed", chosen.seed},
    };
    for (const figure& each : all) {
        if (each.unpooled) report["unpooled"][each.key] = number(*each.unpooled, each.decimals);
        report["pooled"][each.key] = number(each.pooled, each.decimals);
        if (each.unpooled.value_or(0) > 0) report["ratio"][each.key] = each.pooled / *each.unpooled;
    }
    if (outage) {
        report["over_time"] = {
            {"seconds", std::chrono::duration<double>(chosen.plot_time).count()},
            {"callers", outage->callers},
            {"max_open_per_key", outage->most_open},
            {"dialled", outage->stats.dials},
            {"invalidated", outage->stats.invalidated},
            {"answered", outage->answered},
            {"failed_while_away", outage->failed_while_away},
            {"retried", outage->retried},
            {"wrong", outage->wrong},
            {"failed", outage->failed},
        };
    }
    fmt::print("{}\n", report.dump(2));
}

void print_table(const options& chosen, const std::vector<figure>& all, const std::optional<outage_result>& outage) {
    fmt::print("{} requests in {} bursts to {} server{} from {} thread{}, skew {}, {:.0f} % cancelled, seed {}\n"
               "pool of {} idle connections, {} for each server, for {} s\n\n"
               "{:<24}{:>12}{:>12}{:>10}\n",
        grouped(static_cast<double>(chosen.requests), 0), bursts, chosen.servers, chosen.servers == 1 ? "" : "s",
        chosen.threads, chosen.threads == 1 ? "" : "s", chosen.keys_skew, 100 * chosen.cancel, chosen.seed,
        chosen.capacity, chosen.key_capacity, std::chrono::duration<double>(chosen.expiration).count(), "", "unpooled",
        "pooled", "ratio");
    for (const figure& each : all) {
        const std::string unpooled = each.unpooled ? grouped(*each.unpooled, each.decimals) : "-";
        fmt::print("{:<24}{:>12}{:>12}", each.label, unpooled, grouped(each.pooled, each.decimals));
        if (each.unpooled.value_or(0) > 0 && each.pooled > 0) fmt::print("{:#10.3g}", each.pooled / *each.unpooled);
        fmt::print("\n");
    }
    if (!outage) return;
    const auto count = [](std::uint64_t n) { return grouped(static_cast<double>(n), 0); };
    fmt::print("\nover time: {} callers, at most {} connections to each server, {} s\n"
               "{} connections dialled, {} invalidated\n"
               "{} answered, {} failed while their server was away, {} sent again, {} wrong, {} failed otherwise\n",
        outage->callers, outage->most_open, std::chrono::duration<double>(chosen.plot_time).count(),
        count(outage->stats.dials), count(outage->stats.invalidated), count(outage->answered),
        count(outage->failed_while_away), count(outage->retried), count(outage->wrong), count(outage->failed));
}

}  // namespace

void print_report(const options& chosen, const phase_result& unpooled, const phase_result& pooled,
    const pool::stats& stats, const std::optional<outage_result>& outage) {
    const auto all = figures(unpooled, pooled, stats);
    chosen.json ? print_json(chosen, all, outage) : print_table(chosen, all, outage);
}

void print_failures(std::string_view title, const options& chosen, const phase_result& result) {
    if (result.count(outcome::wrong) > 0)
        fmt::print(stderr, "fanout: {}: {} wrong replies\n", title, result.count(outcome::wrong));
    if (result.count(outcome::failed) > 0)
        fmt::print(stderr, "fanout: {}: {} of {} requests failed, {} dials failed{} (first: {})\n", title,
            result.count(outcome::failed), result.requests, result.failed_dials,
            result.requests < chosen.requests ? ", gave up" : "", result.first_error);
}

void print_failures(const outage_result& result) {
    if (result.wrong > 0) fmt::print(stderr, "fanout: over time: {} wrong replies\n", result.wrong);
    if (result.failed > 0)
        fmt::print(stderr, "fanout: over time: {} requests failed whose server was there (first: {})\n", result.failed,
            result.first_error);
}

}  // namespace fanout
