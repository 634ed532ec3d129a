// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

#include <support/failing_pool.hpp>

// Each call of foreign code fails in turn, while a pool clears up: it expires, clears, reconfigures, closes, ends.

namespace failures_sweeping_cases {

using namespace failing;

namespace {

/// Idle connections, a dead one and a blocked one among them, and one that is lent.
constexpr auto used = [](auto& w) {
    w.put(w.a);
    w.put(w.a);
    w.acquire(w.b);
    w.put(w.c);
    w.dials[2].dead = true;
    w.dials[4].blocked = true;
};
constexpr auto used_and_due = [](auto& w) {
    used(w);
    w.clock.advance(w.lifetime);
};

template <class Pool>
auto bounds_of(std::size_t most) {
    auto all = usual_bounds<Pool>();
    all.max_idle = most;
    if constexpr (std::is_same_v<Pool, open_pool>) all.max_open = most;
    return all;
}

}  // namespace

TEST_CASE_TEMPLATE("failures: expire, upkeep, clear and reserve [C12, C13]", Pool, idle_pool, open_pool, shards) {
    using world = world_of<Pool>;
    scenarios all;
    all.add<world>("expire", promise::none, used_and_due, [](world& w) { w.conns->expire(); });
    all.add<world>("expire, with nothing due", promise::none, used, [](world& w) { w.conns->expire(); });
    all.add<world>("upkeep", promise::none, used_and_due, [](world& w) { w.conns->upkeep(); });
    all.add<world>("look_again", promise::none, used, [](world& w) { w.conns->look_again(); });
    all.add<world>("clear", promise::none, used, [](world& w) { w.conns->clear(); });
    all.add<world>("clear of a key", promise::strong, used, [](world& w) { w.conns->clear(w.a); });
    all.add<world>("clear of a key with nothing idle", promise::strong, used, [](world& w) { w.conns->clear(w.b); });
    all.add<world>("reserve", promise::strong, used, [](world& w) { w.conns->reserve(1'000); });
    all.add<world>("the figures", promise::strong, used, [](world& w) {
        (void)w.conns->stats();
        (void)w.conns->next_expiry();
        (void)w.conns->stats(w.a);
    });
}

TEST_CASE_TEMPLATE(
    "failures: invalidate, and the dials that it outdates [C12, C24, C25]", Pool, idle_pool, open_pool, shards) {
    using world = world_of<Pool>;
    constexpr pool::invalidate_options all_of_it{.interrupt = true, .fail_waiting = true};
    scenarios all;
    all.add<world>("all", promise::none, used, [](world& w) { w.conns->invalidate(); });
    all.add<world>("all, and what is lent comes back", promise::none, used, [=](world& w) {
        w.conns->invalidate(all_of_it);
        w.held.clear();
    });
    all.add<world>("a key", promise::basic, used, [=](world& w) { w.conns->invalidate(w.a, all_of_it); });
    all.add<world>("a key with nothing idle", promise::strong, used, [](world& w) { w.conns->invalidate(w.b); });
    all.add<world>("a dial that is outdated", promise::basic, used, [](world& w) {
        w.held.push_back(w.conns->acquire(w.c, [&, n = 0](const key& wanted) mutable {
            if (++n == 1) w.conns->invalidate();
            return typename world::conn{w.dials(wanted)};
        }));
    });
    all.add<world>("a dial that is interrupted", promise::basic, used, [](world& w) {
        w.held.push_back(
            w.conns->acquire(w.c, [&, n = 0](const key& wanted, const pool::dial_context& context) mutable {
                if (++n == 1) w.conns->invalidate({.interrupt = true});
                if (context.stop.stop_requested()) throw pool::testing::injected_failure{point::dial};
                return typename world::conn{w.dials(wanted)};
            }));
    });
    all.add<world>("one that is opened ahead", promise::none, nothing, [](world& w) {
        try {
            (void)w.conns->prewarm(w.c, 1, [&, n = 0](const key& wanted) mutable {
                if (++n == 1) w.conns->invalidate();
                return typename world::conn{w.dials(wanted)};
            });
        } catch (const std::bad_alloc&) {
        } catch (const pool::testing::injected_failure&) {
        }
    });
}

TEST_CASE_TEMPLATE("failures: new bounds [C12]", Pool, idle_pool, open_pool, shards) {
    using world = world_of<Pool>;
    scenarios all;
    all.add<world>("narrower", promise::strong, used, [](world& w) {
        const auto narrow = [] {
            const disarmed unnoticed;
            return bounds_of<Pool>(1);
        }();
        w.conns->reconfigure(narrow);
        const disarmed unnoticed;
        w.conns->reconfigure(usual_bounds<Pool>());
    });
    all.add<world>("wider", promise::strong, used, [](world& w) {
        const auto wide = bounds_of<Pool>(5);
        w.conns->reconfigure(wide);
        const disarmed unnoticed;
        w.conns->reconfigure(usual_bounds<Pool>());
    });
}

TEST_CASE_TEMPLATE("failures: a new expiry policy [C12]", Pool, idle_pool, open_pool, shards) {
    using world = world_of<Pool>;
    scenarios all;
    all.add<world>("to keep nothing", promise::strong, used, [](world& w) {
        w.conns->reconfigure(pool::after_idle{std::chrono::seconds{0}});
        const disarmed unnoticed;
        w.conns->reconfigure(pool::after_idle{std::chrono::seconds{10}});
    });
}

TEST_CASE_TEMPLATE("failures: close, and the end of a pool [C11, C13]", Pool, idle_pool, open_pool, shards) {
    using world = world_of<Pool>;
    scenarios all;
    const auto close = [](world& w) {
        w.is_closed = true;
        (void)w.conns->close();
    };
    // There may be no memory for its result: the pool is closed then.
    all.add<world>("close", promise::basic, used, close);
    all.add<world>("close, of what has expired", promise::basic, used_and_due, close);
    all.add<world>(
        "a second close", promise::strong, [&](world& w) { used(w), close(w); }, close);
    all.add<world>("the end", promise::none, used, [](world& w) { w.conns.reset(); });
    all.add<world>("the end, and then that of a lease", promise::none, used, [](world& w) {
        w.conns.reset();
        w.held.clear();
    });
    all.add<world>(
        "the end after a close", promise::none, [&](world& w) { used(w), close(w); },
        [](world& w) { w.conns.reset(); });
    all.add<world>("construction", promise::none, nothing, [](world& w) {
        w.conns.reset();
        try {
            w.conns.emplace(
                usual_bounds<Pool>(), w.lifetime, pool::pool_settings{.name = "a name that is not short"}, w.clock);
        } catch (const std::bad_alloc&) {
        } catch (const pool::testing::injected_failure&) {
        }
    });
}

}  // namespace failures_sweeping_cases
