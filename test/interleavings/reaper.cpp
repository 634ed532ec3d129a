// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <pool/reaper.hpp>

#include <interleavings/operations.hpp>

// Every operation beside a reaper, which sleeps until something is due, and is stopped in the end.

using namespace interleavings;

namespace {

template <class Pool>
void play_beside_reaper(exploration& test, const operation<Pool>& beside, const setting& how) {
    const operation<Pool> reaping{
        "reaper", [](scene<Pool>& all, std::size_t) {
            ++all.other_sleepers;
            pool::core::look_after(*all.conns, all.stop.get_token(), std::make_shared<pool::core::reaper_sleep>());
            --all.other_sleepers;
        }};
    play<Pool>(test, {&reaping, &beside}, how, [](scene<Pool>& all) {
        all.counted.test.at("stops the reaper");
        all.stop.request_stop();
    });
}

template <class Pool>
total explore_beside_reaper(const std::vector<operation<Pool>>& operations) {
    total sum;
    for (const start from : {start::empty, start::one_idle, start::one_lent}) {
        for (const auto& each : operations) {
            const bool ends_otherwise = each.ends_pool || std::string{each.name} == "stop";
            if (ends_otherwise) continue;
            const auto scenario = [&](exploration& test) { play_beside_reaper(test, each, {.from = from}); };
            const pool::testing::limits within{.preemptions = preemptions(no_bound, 4),
                .early_time_outs = 1,
                .schedules = 1'000'000'000,
                .skips_equivalent = true};
            sum.add("reaper | " + std::string{each.name}, scenario, within);
        }
    }
    return sum;
}

}  // namespace

TEST_CASE("reaper: beside it, every operation of a pool keeps its promises") {
    explore_beside_reaper(idle_operations()).print("a pool that bounds what is idle");
    explore_beside_reaper(open_operations()).print("a pool that bounds what is open");
}
