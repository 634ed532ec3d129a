// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <stop_token>
#include <utility>

#include "percentile.hpp"
#include "timeline.hpp"

namespace fanout {

namespace {

using namespace std::chrono_literals;

constexpr auto between_samples = 5ms;

/// A slice has at least this length, so that it has a few samples.
constexpr auto shortest_slice = 20ms;

/// More of them show noise rather than the pool.
constexpr std::ptrdiff_t most_slices = 60;

std::size_t open(const pool::stats& seen) { return seen.idle + seen.lent; }

/// All connections that the pool has closed so far, or is closing, for whatever reason.
std::uint64_t retired(const pool::stats& seen) {
    return seen.refused + seen.evicted + seen.expired + seen.cleared + seen.invalidated + seen.found_closed +
           seen.found_unhealthy + seen.failed_keep_alives + seen.failed_resets + seen.discarded + seen.outdated_dials;
}

/// In milliseconds.
double wait_percentile(std::vector<timeline::clock::duration>& waits, double share) {
    if (waits.empty()) return std::numeric_limits<double>::quiet_NaN();
    return std::chrono::duration<double, std::milli>(percentile(waits, share)).count();
}

}  // namespace

sampler::sampler(std::vector<timeline::sample>& samples, std::function<pool::stats()> look)
    : thread_{[&samples, look = std::move(look)](const std::stop_token& stop) {
          std::mutex mutex;
          std::condition_variable_any stopped;
          std::unique_lock lock{mutex};
          auto next = timeline::clock::now();
          while (!stop.stop_requested()) {
              samples.push_back({timeline::clock::now(), look()});
              next = std::max(next + between_samples, timeline::clock::now());  // what was missed is not made up for
              stopped.wait_until(lock, stop, next, [] { return false; });
          }
      }} {}

std::vector<slice> slices_of(const timeline& all) {
    using std::chrono::duration;
    const auto count = std::clamp<std::ptrdiff_t>((all.end - all.begin) / shortest_slice, 1, most_slices);
    const auto width = (all.end - all.begin) / count;
    const auto index = [&](timeline::clock::time_point when) { return (when - all.begin) / width; };

    std::vector<std::vector<timeline::clock::duration>> waits(static_cast<std::size_t>(count));
    for (const timeline::wait& each : all.waits)
        if (each.when >= all.begin && index(each.when) < count)
            waits[static_cast<std::size_t>(index(each.when))].push_back(each.length);

    std::vector<slice> slices;
    auto first = all.samples.begin();
    auto before = first;  // the last sample of an earlier slice
    for (std::ptrdiff_t i = 0; i < count && first != all.samples.end(); ++i) {
        const auto last =
            std::find_if(first, all.samples.end(), [&](const auto& each) { return index(each.when) > i; });
        if (first == last) continue;

        const auto mean = [&](auto figure) {
            double sum = 0;
            for (auto each = first; each != last; ++each) sum += static_cast<double>(figure(each->seen));
            return sum / static_cast<double>(last - first);
        };
        const timeline::sample& now = *(last - 1);
        const double passed = std::max(duration<double>(now.when - before->when).count(), 1e-9);
        const auto rate = [&](auto figure) {
            return static_cast<double>(figure(now.seen) - figure(before->seen)) / passed;
        };
        auto& waited = waits[static_cast<std::size_t>(i)];
        slices.push_back({
            .at = duration<double>(width * i + width / 2).count(),
            .open = mean(open),
            .lent = mean([](const pool::stats& seen) { return seen.lent; }),
            .idle = mean([](const pool::stats& seen) { return seen.idle; }),
            .waiting = mean([](const pool::stats& seen) { return seen.waiting; }),
            .dialled = rate([](const pool::stats& seen) { return seen.dials; }),
            .retired = rate(retired),
            .p50 = wait_percentile(waited, 0.5),
            .p99 = wait_percentile(waited, 0.99),
        });
        before = last - 1;
        first = last;
    }
    return slices;
}

}  // namespace fanout
