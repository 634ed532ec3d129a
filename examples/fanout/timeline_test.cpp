// SPDX-License-Identifier: BSL-1.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include "timeline.hpp"

using namespace std::chrono_literals;
using fanout::slices_of;
using fanout::timeline;

namespace {

/// 80 ms, so four slices.
timeline short_timeline() {
    timeline all;
    all.begin = timeline::clock::time_point{1h};
    all.end = all.begin + 80ms;
    return all;
}

timeline::sample sample(const timeline& all, std::chrono::milliseconds at, std::size_t idle, std::size_t lent,
    std::size_t waiting, std::uint64_t dials = 0) {
    pool::stats seen;
    seen.idle = idle;
    seen.lent = lent;
    seen.waiting = waiting;
    seen.dials = dials;
    return {all.begin + at, seen};
}

}  // namespace

TEST_CASE("slices_of: a figure is the mean of the slice") {
    timeline all = short_timeline();
    all.samples = {sample(all, 0ms, 1, 2, 0), sample(all, 10ms, 3, 4, 5), sample(all, 20ms, 8, 9, 7)};
    const auto slices = slices_of(all);
    REQUIRE(slices.size() == 2);
    CHECK(slices[0].at == doctest::Approx(0.010));
    CHECK(slices[0].idle == 2);
    CHECK(slices[0].lent == 3);
    CHECK(slices[0].open == 5);
    CHECK(slices[0].waiting == 2.5);
    CHECK(slices[1].at == doctest::Approx(0.030));
    CHECK(slices[1].open == 17);
}

TEST_CASE("slices_of: a rate is between the last sample before the slice and its own last one") {
    timeline all = short_timeline();
    all.samples = {sample(all, 0ms, 0, 0, 0, 0), sample(all, 10ms, 0, 0, 0, 3), sample(all, 25ms, 0, 0, 0, 4),
        sample(all, 35ms, 0, 0, 0, 8)};
    const auto slices = slices_of(all);
    REQUIRE(slices.size() == 2);
    CHECK(slices[0].dialled == doctest::Approx(300));  // 3 in 10 ms
    CHECK(slices[1].dialled == doctest::Approx(200));  // 5 in 25 ms
}

TEST_CASE("slices_of: a slice without a sample is left out, and the next one is told about the time between") {
    timeline all = short_timeline();
    all.samples = {sample(all, 0ms, 0, 0, 0, 0), sample(all, 50ms, 0, 0, 0, 10)};
    const auto slices = slices_of(all);
    REQUIRE(slices.size() == 2);
    CHECK(slices[1].at == doctest::Approx(0.050));
    CHECK(slices[1].dialled == doctest::Approx(200));
}

TEST_CASE("slices_of: whatever closes a connection has retired it") {
    timeline all = short_timeline();
    pool::stats seen;
    for (std::uint64_t* each :
        {&seen.refused, &seen.evicted, &seen.expired, &seen.cleared, &seen.invalidated, &seen.found_closed,
            &seen.found_unhealthy, &seen.failed_keep_alives, &seen.failed_resets, &seen.discarded, &seen.outdated_dials})
        *each = 1;
    all.samples = {{all.begin, {}}, {all.begin + 10ms, seen}};
    CHECK(slices_of(all).at(0).retired == doctest::Approx(1100));
}

TEST_CASE("slices_of: a wait belongs to the slice in which it ends") {
    timeline all = short_timeline();
    all.samples = {sample(all, 0ms, 0, 0, 0), sample(all, 20ms, 0, 0, 0)};
    for (int i = 1; i <= 100; ++i) all.waits.push_back({all.begin + 5ms, i * 1ms});
    all.waits.push_back({all.begin - 1ms, 1h});
    all.waits.push_back({all.end, 1h});
    const auto slices = slices_of(all);
    REQUIRE(slices.size() == 2);
    CHECK(slices[0].p50 == 50);
    CHECK(slices[0].p99 == 99);
    CHECK(std::isnan(slices[1].p50));
    CHECK(std::isnan(slices[1].p99));
}

TEST_CASE("slices_of: what was seen after the end is left out") {
    timeline all = short_timeline();
    all.samples = {sample(all, 75ms, 1, 0, 0), sample(all, 80ms, 9, 0, 0)};
    const auto slices = slices_of(all);
    REQUIRE(slices.size() == 1);
    CHECK(slices[0].idle == 1);
}

TEST_CASE("slices_of: a long time has longer slices") {
    timeline all = short_timeline();
    all.end = all.begin + 1h;
    for (auto at = 0ms; at < 1h; at += 1s) all.samples.push_back(sample(all, at, 0, 0, 0));
    CHECK(slices_of(all).size() == 60);
}

TEST_CASE("sampler: looks again and again, from the begin to the end of its life") {
    std::vector<timeline::sample> samples;
    std::uint64_t looks = 0;
    {
        std::atomic<bool> enough{false};
        const fanout::sampler looking{samples, [&] {
                                          pool::stats seen;
                                          seen.dials = ++looks;
                                          if (looks == 3) {
                                              enough = true;
                                              enough.notify_one();
                                          }
                                          return seen;
                                      }};
        enough.wait(false);
    }
    REQUIRE(samples.size() == looks);
    REQUIRE(looks >= 3);
    CHECK(samples[0].seen.dials == 1);
    CHECK(samples[2].seen.dials == 3);
    CHECK(samples[0].when < samples[2].when);
}
