// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <utility>

#include <doctest/doctest.h>

#include <pool/error.hpp>

#include <support/failing_pool.hpp>

// Each call of foreign code fails in turn, in a pool that is paused, and resumed. Those that wait are in waiting.cpp.

namespace failures_pausing_cases {

using namespace failing;

namespace {

/// Connections of two keys.
constexpr auto used_a_little = [](auto& w) {
    w.put(w.a);
    w.acquire(w.b);
};

/// In a pause that ends in any case.
template <class Act>
auto in_a_pause(Act act) {
    return [act](auto& w) {
        w.conns->pause();
        try {
            act(w);
        } catch (...) {
            w.conns->resume();
            throw;
        }
        w.conns->resume();
    };
}

}  // namespace

TEST_CASE_TEMPLATE("failures: pause and resume [C12, C26]", Pool, idle_pool, open_pool, shards) {
    using world = world_of<Pool>;
    scenarios all;
    all.add<world>("nothing else", promise::none, used_a_little, in_a_pause([](world&) {}));
    all.add<world>("a caller is refused", promise::strong, used_a_little, in_a_pause([](world& w) {
        try {
            w.acquire(w.a);
        } catch (const pool::pool_paused&) {
        }
    }));
    all.add<world>("a look-up finds nothing", promise::strong, used_a_little, in_a_pause([](world& w) {
        (void)w.conns->try_acquire(w.a);
        (void)w.conns->take(w.a);
    }));
    all.add<world>(
        "a connection comes back", promise::none, used_a_little, in_a_pause([](world& w) { w.held.clear(); }));
    all.add<world>("a connection is put", promise::strong, used_a_little, in_a_pause([](world& w) {
        {
            const disarmed unnoticed;
            w.mine.emplace_back(w.dials());
        }
        try {
            w.conns->put(w.a, std::move(w.mine.back()));
        } catch (...) {
            const disarmed unnoticed;
            w.mine.back().close();
            w.mine.pop_back();
            throw;
        }
        const disarmed unnoticed;
        w.mine.pop_back();
    }));
    all.add<world>("upkeep", promise::none, used_a_little, in_a_pause([](world& w) {
        w.clock.advance(w.lifetime);
        w.conns->upkeep();
    }));
    all.add<world>("it is closed", promise::basic, used_a_little, in_a_pause([](world& w) {
        w.is_closed = true;
        w.conns->close();
    }));
}

TEST_CASE_TEMPLATE("failures: a pause during a dial [C12, C26]", Pool, idle_pool, open_pool, shards) {
    using world = world_of<Pool>;
    scenarios all;
    const auto dials = [](world& w) {
        return [&w](const key& wanted, const pool::dial_context& context) {
            w.conns->pause();
            return conn{w.dials(wanted, context)};
        };
    };
    const auto during = [](auto act) {
        return [act](world& w) {
            try {
                act(w);
            } catch (...) {
                w.conns->resume();
                throw;
            }
            w.conns->resume();
        };
    };
    all.add<world>("of a caller", promise::strong, nothing,
        during([dials](world& w) { w.held.push_back(w.conns->acquire(w.a, dials(w))); }));
    all.add<world>(
        "ahead", promise::basic, nothing, during([dials](world& w) { (void)w.conns->prewarm(w.a, 2, dials(w)); }));
}

}  // namespace failures_pausing_cases
