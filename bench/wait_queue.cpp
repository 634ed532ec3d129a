// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <pool/basic_pool.hpp>

#include <baselines/free_list.hpp>
#include <samples.hpp>
#include <workloads.hpp>

/// @file
/// W10, threads that share four connections: how many leases there are, how long a thread waits for one, and whether
/// all threads get as many.

namespace {

using clock_type = std::chrono::steady_clock;

constexpr std::size_t connections = 4;

/// A pool with a wait queue, which serves the oldest request first.
template <class LockPolicy>
class fair {
public:
    auto acquire() {
        return conns_.acquire(key_, [](const std::string&) { return bench::connection{1}; });
    }

private:
    const std::string key_ = bench::key(0);
    pool::basic_pool<std::string, bench::connection, pool::bounded_open, pool::never, LockPolicy> conns_{
        pool::bounded_open{.max_open = connections}};
};

/// The same with the baseline, which has no queue.
struct unfair : baselines::free_list<bench::connection> {
    unfair() : free_list{std::vector(connections, bench::connection{1})} {}
};

/// The figures of one repetition.
struct outcome {
    std::size_t leases = 0;
    std::size_t fewest = 0;  ///< of one thread
    std::size_t most = 0;    ///< of one thread
    double seconds = 0;
    bench::samples waits;
};

/// The work that a thread does before it gives its connection back.
struct work {
    const char* given_back;
    void (*act)();
};

void compute() {
    const auto start = clock_type::now();
    while (clock_type::now() - start < std::chrono::microseconds{1}) {}
}
void wait() { std::this_thread::sleep_for(std::chrono::microseconds{50}); }

constexpr std::array works{
    work{"at once", [] {}}, work{"after 1 us of work", compute}, work{"after 50 us asleep", wait}};

/// Acquires a connection, works with it, and gives it back, until `stop` is set.
template <class Pool>
void work_until(Pool& conns, const work& chosen, const std::atomic<bool>& stop, bench::samples& waits) {
    while (!stop.load(std::memory_order_relaxed)) {
        const auto asked = clock_type::now();
        clock_type::time_point got;
        {
            const auto lent = conns.acquire();
            got = clock_type::now();
            chosen.act();
        }
        waits.add(got - asked);
    }
}

template <class Pool>
outcome compete(std::size_t count, const work& chosen, std::chrono::duration<double> duration) {
    Pool conns;
    std::vector<bench::samples> waits(count);
    for (auto& each : waits) each.reserve(1'000'000);
    std::atomic<bool> stop = false;
    clock_type::time_point begun;
    std::barrier start{static_cast<std::ptrdiff_t>(count + 1), [&]() noexcept { begun = clock_type::now(); }};
    {
        std::vector<std::jthread> threads;
        for (auto& each : waits) {
            threads.emplace_back([&] {
                start.arrive_and_wait();
                work_until(conns, chosen, stop, each);
            });
        }
        start.arrive_and_wait();
        std::this_thread::sleep_for(duration);
        stop = true;
    }
    outcome seen;
    seen.seconds = std::chrono::duration<double>(clock_type::now() - begun).count();
    const auto [fewest, most] = std::ranges::minmax_element(waits, {}, &bench::samples::size);
    seen.fewest = fewest->size();
    seen.most = most->size();
    for (const auto& each : waits) seen.waits.add(each);
    seen.leases = seen.waits.size();
    return seen;
}

/// One row of the table.
struct row {
    std::string name;
    std::string pool;
    std::function<outcome()> measure;
    std::vector<double> rates = {};     ///< leases in a second, of each repetition
    std::vector<double> fairness = {};  ///< fewest / most leases of a thread, of each repetition
    bench::samples waits = {};          ///< of all repetitions
};

std::vector<row> rows(std::chrono::duration<double> duration) {
    std::vector<row> all;
    for (const work& chosen : works) {
        for (const std::size_t count : {2u, 8u, 32u}) {
            const auto name = fmt::format("{} threads, given back {}", count, chosen.given_back);
            all.push_back({name, "std::mutex", [=] { return compete<fair<std::mutex>>(count, chosen, duration); }});
            all.push_back(
                {name, "adaptive_mutex", [=] { return compete<fair<pool::adaptive_mutex>>(count, chosen, duration); }});
            all.push_back({name, "V", [=] { return compete<unfair>(count, chosen, duration); }});
        }
    }
    return all;
}

void run(row& each) {
    const outcome seen = each.measure();
    each.rates.push_back(static_cast<double>(seen.leases) / seen.seconds);
    each.fairness.push_back(static_cast<double>(seen.fewest) / static_cast<double>(seen.most));
    each.waits.add(seen.waits);
}

double median(std::vector<double>& all) {
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
    std::ranges::nth_element(all, middle);
    return *middle;
}

void print(row& each) {
    const auto wait = [&](double share) { return bench::microseconds(each.waits.quantile(share)); };
    fmt::print("| {} | {} | {:.0f} | {:.2f} | {:.2f} | {:.0f} | {:.2f} |\n", each.name, each.pool,
        median(each.rates) / 1e3, wait(0.5), wait(0.99), wait(1), median(each.fairness));
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Measures threads that share four connections"};
    double seconds = 0.1;
    std::size_t repetitions = 7;
    app.add_option("--seconds", seconds, "of each repetition")->capture_default_str()->check(CLI::PositiveNumber);
    app.add_option("--repetitions", repetitions)->capture_default_str()->check(CLI::PositiveNumber);
    CLI11_PARSE(app, argc, argv);

    auto all = rows(std::chrono::duration<double>{seconds});
    for (std::size_t i = 0; i < repetitions; ++i) std::ranges::for_each(all, run);
    fmt::print("\n| W10 | | 1,000 leases a second | wait, us: median | p99 | longest | fewest / most of a thread |\n"
               "|---|---|---|---|---|---|---|\n");
    std::ranges::for_each(all, print);
}
