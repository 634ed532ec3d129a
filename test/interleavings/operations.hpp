// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pool/basic_pool.hpp>

#include <interleavings/scenario.hpp>

/// @file
/// The operations of a pool that run at once in the scenarios.

namespace interleavings {

template <class Capacity>
using pool_of = pool::basic_pool<int, connection, Capacity, pool::after_idle, scheduled_lock, scheduled_clock>;
using idle_pool = pool_of<pool::bounded>;
using open_pool = pool_of<pool::bounded_open>;

template <>
struct maker<idle_pool> {
    static constexpr std::size_t max_idle = 2;
    static void make(std::optional<idle_pool>& into, const setting&, std::size_t) {
        into.emplace(pool::bounded{.max_idle = max_idle, .max_idle_per_key = 1}, pool::after_idle{time_to_live});
    }
};

template <>
struct maker<open_pool> {
    static constexpr std::size_t max_idle = 2;
    static pool::bounded_open bounds(std::size_t open, std::chrono::nanoseconds wait) {
        return {.max_open = open, .max_open_per_key = open, .max_idle = max_idle, .patience = wait};
    }
    static void make(std::optional<open_pool>& into, const setting& how, std::size_t open) {
        into.emplace(bounds(open, how.patience), pool::after_idle{time_to_live});
    }
};

inline scheduled_clock::time_point at(std::chrono::nanoseconds time) { return scheduled_clock::time_point{time}; }

/// Lowers the bounds as far as can be.
template <class Pool>
void fewer_connections(scene<Pool>& all, std::size_t) {
    all.permits = 0;
    if constexpr (Pool::bounds_open) all.conns->reconfigure({.max_open = 1, .max_idle = 0, .patience = all.patience});
    else all.conns->reconfigure({.max_idle = 0});
}

/// Those that every pool has.
template <class Pool>
std::vector<operation<Pool>> common_operations() {
    using scene = interleavings::scene<Pool>;
    constexpr auto close = [](scene& all, std::size_t) {
        all.conns->close();
        all.lent_at_close = most_operations + 1;
        all.is_closed = true;
    };
    return {
        {.name = "acquire",
            .act =
                [](scene& all, std::size_t i) {
                    may_fail([&] { all.checked([&] { return all.conns->acquire(all.key(i), all.dial()); }); });
                },
            .waits = true},
        {.name = "acquire, the dial fails",
            .act = [](scene& all,
                       std::size_t i) { may_fail([&] { (void)all.conns->acquire(all.key(i), all.failing_dial()); }); },
            .waits = true},
        {"try_acquire",
            [](scene& all, std::size_t i) { all.checked([&] { return all.conns->try_acquire(all.key(i)); }); }},
        {.name = "give back",
            .act = [](scene& all, std::size_t i) { all.leases[i]->give_back(); },
            .needs_lease = true},
        {.name = "discard", .act = [](scene& all, std::size_t i) { all.leases[i]->discard(); }, .needs_lease = true},
        {.name = "detach",
            .act = [](scene& all, std::size_t i) { all.leases[i]->detach().close(); },
            .needs_lease = true,
            .takes_out = true},
        {.name = "put",
            .act = [](scene& all, std::size_t i) { all.put(i); },
            .needs_conn = true},
        {.name = "take",
            .act =
                [](scene& all, std::size_t i) {
                    if (auto taken = all.conns->take(all.key(i))) taken->close();
                },
            .takes_out = true},
        {"expire",
            [](scene& all, std::size_t) {
                all.counted.test.advance(time_to_live);
                all.conns->expire();
            }},
        {"upkeep", [](scene& all, std::size_t) { all.conns->upkeep(); }},
        {"prewarm", [](scene& all, std::size_t i) { (void)all.conns->prewarm(all.key(i), 2, all.dial()); }},
        {"clear", [](scene& all, std::size_t) { all.conns->clear(); }},
        {"invalidate", [](scene& all, std::size_t) { all.invalidate({}); }},
        {"invalidate, which interrupts, and fails those that wait",
            [](scene& all, std::size_t) { all.invalidate({.interrupt = true, .fail_waiting = true}); }},
        {"reconfigure the expiry",
            [](scene& all, std::size_t) { all.conns->reconfigure(pool::after_idle{time_to_live / 2}); }},
        {"close", close},
        {.name = "close, with a lease", .act = close, .needs_lease = true, .keeps_lease = true},
        {"pause and resume",
            [](scene& all, std::size_t) {
                all.conns->pause();
                all.counted.test.at("stands still");
                all.conns->resume();
            }},
        {.name = "end of the pool", .act = [](scene& all, std::size_t) { all.conns.reset(); }, .ends_pool = true},
    };
}

/// A dial that heeds a stop, and what it may meet.
template <class Pool>
std::vector<operation<Pool>> interrupting_operations() {
    using scene = interleavings::scene<Pool>;
    std::vector<operation<Pool>> all{
        {.name = "acquire, a dial that heeds a stop",
            .act =
                [](scene& its, std::size_t i) {
                    may_fail([&] { its.checked([&] { return its.conns->acquire(its.key(i), its.heeding_dial()); }); });
                },
            .waits = true},
    };
    for (const auto& each : common_operations<Pool>()) {
        const std::string name = each.name;
        if (name == "acquire" || name == "give back" || name == "close" || name.starts_with("invalidate"))
            all.push_back(each);
    }
    return all;
}

inline std::vector<operation<idle_pool>> idle_operations() {
    auto operations = common_operations<idle_pool>();
    operations.push_back(
        {"reconfigure", [](scene<idle_pool>& all, std::size_t) { all.conns->reconfigure({.max_idle = 0}); }});
    return operations;
}

inline std::vector<operation<open_pool>> open_operations() {
    using scene = interleavings::scene<open_pool>;
    auto operations = common_operations<open_pool>();
    const std::vector<operation<open_pool>> more{
        {"acquire with a deadline",
            [](scene& all, std::size_t i) {
                may_fail([&] { (void)all.conns->acquire(all.key(i), all.dial(), at(soon)); });
            }},
        {"acquire with a deadline, a late dial",
            [](scene& all, std::size_t i) {
                may_fail([&] { (void)all.conns->acquire(all.key(i), all.slow_dial(), at(soon)); });
            }},
        {"acquire with a stop",
            [](scene& all, std::size_t i) {
                may_fail([&] { (void)all.conns->acquire(all.key(i), all.dial(), all.stop.get_token()); });
            }},
        {"stop",
            [](scene& all, std::size_t) {
                all.counted.test.at("requests a stop");
                all.stop.request_stop();
            }},
        {.name = "stop, with a lease",
            .act =
                [](scene& all, std::size_t) {
                    all.counted.test.at("requests a stop");
                    all.stop.request_stop();
                },
            .needs_lease = true,
            .keeps_lease = true},
        {"more connections",
            [](scene& all, std::size_t) {
                ++all.most;
                all.conns->reconfigure(maker<open_pool>::bounds(all.most, all.patience));
                all.permits = all.most.load();
            }},
        {"fewer connections", fewer_connections<open_pool>},
        {"pause with wait_for_resume, and resume",
            [](scene& all, std::size_t) {
                ++all.pauses;
                all.conns->pause(pool::wait_for_resume);
                all.counted.test.at("stands still");
                all.conns->resume();
                --all.pauses;
            }},
        {.name = "drain",
            .act =
                [](scene& all, std::size_t) {
                    ++all.other_sleepers;
                    all.conns->drain(scheduled_clock::time_point::max());
                    --all.other_sleepers;
                },
            .waits = true},
        {"drain with a deadline",
            [](scene& all, std::size_t) {
                ++all.other_sleepers;
                all.conns->drain(at(soon));
                --all.other_sleepers;
            }},
    };
    operations.insert(operations.end(), more.begin(), more.end());
    return operations;
}

}  // namespace interleavings
