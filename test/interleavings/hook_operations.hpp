// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <interleavings/operations.hpp>

/// @file
/// Pools of connections with hooks, and the operations that call or start hooks.

namespace interleavings {

constexpr auto silence = 10ns;  ///< the time after which an idle connection is kept alive

template <class Conn, class Capacity>
using pool_with_hooks = pool::basic_pool<int, Conn, Capacity, pool::after_idle, scheduled_lock, scheduled_clock>;

/// How they are made.
template <class Pool>
struct maker_with_hooks {
    static constexpr std::size_t max_idle = 2;
    static void make(std::optional<Pool>& into, [[maybe_unused]] const setting& how, [[maybe_unused]] std::size_t open) {
        const pool::pool_settings settings{.keep_alive_every = silence};
        if constexpr (Pool::bounds_open) {
            into.emplace(maker<open_pool>::bounds(open, how.patience), pool::after_idle{time_to_live}, settings);
        } else {
            const pool::bounded bounds{.max_idle = max_idle, .max_idle_per_key = 1};
            into.emplace(bounds, pool::after_idle{time_to_live}, settings);
        }
    }
};

/// A keep-alive, those of the common operations that are named, and those beside which hooks are not easy.
template <class Pool>
std::vector<operation<Pool>> operations_with_hooks(const std::vector<std::string_view>& names) {
    using scene = interleavings::scene<Pool>;
    std::vector<operation<Pool>> chosen{
        {"keep alive",
            [](scene& all, std::size_t) {
                all.counted.test.advance(silence);
                all.conns->upkeep();
            }},
        {"fewer connections", fewer_connections<Pool>},
    };
    for (const auto& each : common_operations<Pool>())
        for (const std::string_view name : names)
            if (each.name == name) chosen.push_back(each);
    if constexpr (Pool::bounds_open) {
        chosen.push_back({"acquire with a deadline", [](scene& all, std::size_t i) {
                              may_fail([&] { (void)all.conns->acquire(all.key(i), all.dial(), at(soon)); });
                          }});
    }
    return chosen;
}

/// Every pair of them, with a connection that is idle at first, or lent, and whose hooks fail, or do not.
template <class Pool>
total explore_hooks(const std::vector<operation<Pool>>& operations, setting how, int preemptions) {
    const pool::testing::limits within{.preemptions = preemptions,
        .schedules = 1'000'000'000,
        .time = std::chrono::hours{1},
        .skips_equivalent = true};
    total sum;
    for (const bool is_sick : {false, true}) {
        how.is_sick = is_sick;
        for (const start from : {start::one_idle, start::one_lent}) {
            // The thread sanitizer sees each operation once with the check that fails, and once with the other.
            if (has_thread_sanitizer && !is_full_tier() && is_sick != (from == start::one_lent)) continue;
            how.from = from;
            sum += explore_all(operations, 2, how, within);
        }
    }
    return sum;
}

}  // namespace interleavings
