// SPDX-License-Identifier: BSL-1.0
#include <exception>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <pool/retry_stale.hpp>
#include <pool/testing/tended_connection.hpp>

#include <support/failing_pool.hpp>

// Each call of foreign code fails in turn, while connections are checked, reset and kept alive. The hooks fail, too.

namespace failures_hooks_cases {

using namespace failing;

namespace {

/// Its move can fail, as its hooks can.
class tended : public pool::testing::tended_connection {
public:
    explicit tended(fake_connection&& from) noexcept : tended_connection{std::move(from)} {}
    tended(tended&& other) : tended_connection{movable(other)} {}

private:
    static tended&& movable(tended& other) {
        may_fail(point::move);
        return std::move(other);
    }
};

}  // namespace

}  // namespace failures_hooks_cases

template <>
struct pool::connection_traits<failures_hooks_cases::tended>
    : pool::member_connection_traits<failures_hooks_cases::tended> {
    static bool healthy(failures_hooks_cases::tended& c) { return c.check(); }
    static void reset(failures_hooks_cases::tended& c) { c.reset_session(); }
    static void keep_alive(failures_hooks_cases::tended& c) { c.keep_alive(); }
};

namespace failures_hooks_cases {

namespace {

using tended_idle =
    pool::basic_pool<key, tended, idle_bounds, pool::after_idle, pool::testing::probe_lock, pool::manual_clock>;
using tended_open =
    pool::basic_pool<key, tended, open_bounds, pool::after_idle, pool::testing::probe_lock, pool::manual_clock>;
using tended_shards =
    pool::sharded_pool<2, key, tended, pool::bounded, pool::after_idle, pool::testing::probe_lock, pool::manual_clock>;

constexpr auto one_idle = [](auto& w) { w.put(w.a); };
constexpr auto two_idle = [](auto& w) {
    w.put(w.a);
    w.put(w.a);
};
constexpr auto all_sick = [](auto& w) {
    two_idle(w);
    for (int id : {1, 2}) w.dials[id].on_check = [] { return false; };
};
constexpr auto one_lent = [](auto& w) { w.acquire(w.a); };

}  // namespace

TEST_CASE_TEMPLATE(
    "failures: acquire, and the check before it [C12, C20]", Pool, tended_idle, tended_open, tended_shards) {
    using world = world_of<Pool>;
    scenarios all;
    const auto acquire = [](world& w) { w.acquire(w.a); };
    all.add<world>("finds one", promise::basic, one_idle, acquire);
    all.add<world>("finds two", promise::basic, two_idle, acquire);
    all.add<world>("finds two that are not healthy", promise::basic, all_sick, acquire);
    all.add<world>("finds one in a pool that its check closes", promise::basic, one_idle, [](world& w) {
        w.dials[1].on_check = [&w] {
            w.is_closed = true;
            w.conns->close();
            return false;
        };
        try {
            w.acquire(w.a);
        } catch (const pool::pool_closed&) {
        }
    });
    all.add<world>("asks for a fresh one", promise::basic, two_idle,
        [](world& w) { w.held.push_back(w.conns->acquire_fresh(w.a, w.dialer())); });
}

TEST_CASE("failures: acquire at the bound, and a check that fails [C12, C20]") {
    using world = world_of<tended_open>;
    scenarios all;
    const auto at_the_bound = [](world& w) {
        w.conns->reconfigure(open_bounds{{.max_open = 2, .max_waiting = 0, .patience = 0ns}});
        all_sick(w);
    };
    all.add<world>("it replaces them", promise::basic, at_the_bound, [](world& w) { w.acquire(w.a); });
    all.add<world>("its deadline passes in the check", promise::basic, at_the_bound, [](world& w) {
        w.dials[1].on_check = [&w] {
            w.clock.advance(1s);
            return false;
        };
        try {
            w.held.push_back(w.conns->acquire(w.a, w.dialer(), w.clock.now() + 1s));
        } catch (const pool::acquire_timeout&) {
        }
    });
}

TEST_CASE_TEMPLATE("failures: try_acquire and take, and the checks before them [C12, C20]", Pool, tended_idle,
    tended_open, tended_shards) {
    using world = world_of<Pool>;
    scenarios all;
    for (const auto& prepare : {+[](world& w) { two_idle(w); }, +[](world& w) { all_sick(w); }}) {
        all.add<world>("try_acquire", promise::basic, prepare, [](world& w) {
            if (auto lent = w.conns->try_acquire(w.a)) w.held.push_back(std::move(lent));
        });
        all.add<world>("take", promise::basic, prepare, [](world& w) {
            if (auto taken = w.conns->take(w.a)) {
                const disarmed unnoticed;
                w.mine.push_back(std::move(*taken));
            }
        });
    }
}

TEST_CASE_TEMPLATE(
    "failures: give-back, and the reset before it [C12, C21]", Pool, tended_idle, tended_open, tended_shards) {
    using world = world_of<Pool>;
    scenarios all;
    all.add<world>("give-back", promise::none, one_lent, [](world& w) { w.held.clear(); });
    all.add<world>("after the end of the pool", promise::none, one_lent, [](world& w) {
        w.conns.reset();
        w.held.clear();
    });
}

TEST_CASE_TEMPLATE(
    "failures: upkeep, and what is kept alive in it [C12, C22]", Pool, tended_idle, tended_open, tended_shards) {
    using world = world_of<Pool>;
    scenarios all;
    const auto due = [](world& w) {
        two_idle(w);
        w.put(w.b);
        w.clock.advance(2s);
    };
    all.add<world>("upkeep", promise::none, due, [](world& w) { w.conns->upkeep(); });
}

TEST_CASE_TEMPLATE("failures: a call that is made once more [C12]", Pool, tended_idle, tended_open) {
    using world = world_of<Pool>;
    scenarios all;
    all.add<world>("on a fresh one", promise::basic, two_idle, [](world& w) {
        auto peer = w.conns->get(w.a, w.dialer());
        bool is_first = true;
        peer.invoke(pool::retry_stale{[](const std::exception&) { return true; }}, [&](tended& conn) {
            conn.use();
            if (std::exchange(is_first, false)) throw pool::testing::injected_failure{point::hook};
        });
    });
}

}  // namespace failures_hooks_cases
