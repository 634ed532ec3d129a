// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <cstddef>
#include <exception>
#include <thread>
#include <vector>

#include "percentile.hpp"
#include "phase.hpp"
#include "progress.hpp"

namespace fanout {

namespace {

using clock = std::chrono::steady_clock;

/// The results of one client thread. Each thread has its own, so the threads share nothing but what sending needs.
struct client {
    std::array<std::uint64_t, 4> outcomes{};
    std::string first_error;
    std::vector<clock::duration> latencies;

    void send(const request& next, const std::function<outcome(const request&)>& send_one) {
        outcome end = outcome::failed;
        const auto begin = clock::now();
        try {
            end = send_one(next);
        } catch (const std::exception& error) {
            if (first_error.empty()) first_error = error.what();
        }
        if (end == outcome::answered) latencies.push_back(clock::now() - begin);
        ++outcomes[static_cast<std::size_t>(end)];
    }
};

}  // namespace

phase_result run_phase(std::string_view title, const options& chosen, const workload& work, tally& counts,
    const std::function<outcome(const request&)>& send) {
    std::vector<client> clients(chosen.threads);
    phase_result result;
    {
        const progress_bar bar{
            title, [&counts] { return counts.started.load(std::memory_order_relaxed); }, chosen.requests};
        for (std::uint64_t burst = 0; burst < bursts && !counts.give_up.stop_requested(); ++burst) {
            if (burst > 0) std::this_thread::sleep_for(burst % 2 == 1 ? short_rest : 2 * short_rest);
            std::atomic<std::uint64_t> next{chosen.requests * burst / bursts};
            const std::uint64_t end = chosen.requests * (burst + 1) / bursts;
            const auto begin = clock::now();
            {
                std::vector<std::jthread> threads;
                for (client& each : clients) {
                    threads.emplace_back([&] {
                        while (!counts.give_up.stop_requested()) {
                            const std::uint64_t number = next.fetch_add(1, std::memory_order_relaxed);
                            if (number >= end) break;
                            counts.started.fetch_add(1, std::memory_order_relaxed);
                            each.send(work[number], send);
                        }
                    });
                }
            }
            result.elapsed += clock::now() - begin;
        }
    }

    std::vector<clock::duration> latencies;
    for (const client& each : clients) {
        for (std::size_t kind = 0; kind < each.outcomes.size(); ++kind) {
            result.outcomes[kind] += each.outcomes[kind];
            result.requests += each.outcomes[kind];
        }
        if (result.first_error.empty()) result.first_error = each.first_error;
        latencies.insert(latencies.end(), each.latencies.begin(), each.latencies.end());
    }
    result.dialled = counts.dialled;
    result.failed_dials = counts.failed_dials;
    result.retried = counts.retried;
    result.p50 = percentile(latencies, 0.5);
    result.p99 = percentile(latencies, 0.99);
    result.p999 = percentile(latencies, 0.999);
    return result;
}

}  // namespace fanout
