// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <pool/basic_pool.hpp>
#include <pool/seeded_key.hpp>

#include <support/chosen_keys.hpp>

#include <samples.hpp>
#include <threads.hpp>
#include <workloads.hpp>

/// @file
/// W13, the 99th percentile of an operation with keys that somebody has chosen to collide.

namespace {

using std::chrono::nanoseconds;

/// The percentiles of one run.
struct figures {
    nanoseconds put;    ///< a connection of a key that has none
    nanoseconds lease;  ///< lend and give back
};

/// Fills a pool with a connection of each key, and then leases each ten times.
template <class Key, class Value>
figures measure(const std::vector<Value>& keys) {
    constexpr int leases = 10;
    pool::basic_pool<Key, bench::connection> conns;
    bench::samples puts;
    bench::samples pairs;
    puts.reserve(keys.size());
    pairs.reserve(keys.size() * leases);
    for (const Value& key : keys) puts.time([&] { conns.put(key, bench::connection{1}); });
    for (int i = 0; i < leases; ++i)
        for (const Value& key : keys) pairs.time([&] { bench::expect(bool{conns.try_acquire(key)}); });
    return {puts.quantile(0.99), pairs.quantile(0.99)};
}

/// The medians of several runs, which take turns.
template <class Value>
void print(
    const char* what, std::size_t repetitions, const std::vector<Value>& random, const std::vector<Value>& chosen) {
    std::vector<figures> all[4];
    for (std::size_t i = 0; i < repetitions; ++i) {
        all[0].push_back(measure<Value>(random));
        all[1].push_back(measure<Value>(chosen));
        all[2].push_back(measure<pool::seeded_key<Value>>(random));
        all[3].push_back(measure<pool::seeded_key<Value>>(chosen));
    }
    for (const auto& [operation, figure] : {std::pair{"put", &figures::put}, std::pair{"lease", &figures::lease}}) {
        fmt::print("| {}: {} |", what, operation);
        for (auto& runs : all) {
            std::ranges::sort(runs, {}, figure);
            fmt::print(" {} |", (runs[runs.size() / 2].*figure).count());
        }
        fmt::print("\n");
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Measures operations with keys that were chosen to collide"};
    std::size_t keys = 10'000;
    std::size_t repetitions = 5;
    app.add_option("--keys", keys)->capture_default_str()->check(CLI::Range(100, 1'000'000));
    app.add_option("--repetitions", repetitions)->capture_default_str()->check(CLI::PositiveNumber);
    CLI11_PARSE(app, argc, argv);

    const bench::parked_thread another;
    bench::pin(0);
    fmt::print("\n| W13: p99 of {} keys, ns | random | chosen | random, seeded | chosen, seeded |\n"
               "|---|---|---|---|---|\n",
        keys);
    print("integers", repetitions, chosen_keys::random_integers(keys), chosen_keys::integers_of_one_bucket(keys));
    print("texts of 16 characters", repetitions, chosen_keys::random_texts(keys), chosen_keys::texts_of_one_hash(keys));
}
