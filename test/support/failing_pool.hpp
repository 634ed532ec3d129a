// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/sharded_pool.hpp>
#include <pool/testing/failures.hpp>
#include <pool/testing/fake_connection.hpp>
#include <pool/testing/fake_dialer.hpp>
#include <pool/testing/fallible.hpp>
#include <pool/testing/probe_lock.hpp>

#include <support/figures.hpp>

/// @file
/// Pools all of whose foreign code can fail: the keys, the connections, the dials, the closes, the capacity policy and the
/// memory. A scenario is run until each of these calls has failed once, alone and with all later ones of its kind.

namespace failing {

using namespace std::chrono_literals;
using pool::testing::disarmed;
using pool::testing::failure_run;
using pool::testing::may_fail;
using pool::testing::point;

/// Too long for the buffer within a `std::string`, so that a copy allocates. It counts its copies.
struct host {
    std::string name;
    std::shared_ptr<const char> copies = std::make_shared<const char>();

    bool operator==(const host& other) const { return name == other.name; }
    friend std::ostream& operator<<(std::ostream& out, const host& printed) { return out << printed.name; }
};

}  // namespace failing

/// Names of the same length collide, so keys that differ are compared, too.
template <>
struct std::hash<failing::host> {
    std::size_t operator()(const failing::host& hashed) const { return hashed.name.size(); }
};

namespace failing {

using key = pool::testing::fallible<host>;
using conn = pool::testing::fragile_connection;

/// A capacity policy whose copies can fail.
template <class Bounds>
struct bounds : Bounds {
    bounds() = default;
    bounds(Bounds its) : Bounds{its} {}
    bounds(const bounds& other) : Bounds{other} { may_fail(point::copy); }
    bounds(bounds&&) noexcept = default;
    bounds& operator=(bounds&&) noexcept = default;
};
using idle_bounds = bounds<pool::bounded>;
using open_bounds = bounds<pool::bounded_open>;

using idle_pool =
    pool::basic_pool<key, conn, idle_bounds, pool::after_idle, pool::testing::probe_lock, pool::manual_clock>;
using open_pool =
    pool::basic_pool<key, conn, open_bounds, pool::after_idle, pool::testing::probe_lock, pool::manual_clock>;
/// Its callers have timers.
using real_time_pool =
    pool::basic_pool<key, conn, open_bounds, pool::after_idle, pool::testing::probe_lock, std::chrono::steady_clock>;
using shards =
    pool::sharded_pool<2, key, conn, pool::bounded, pool::after_idle, pool::testing::probe_lock, pool::manual_clock>;

/// The bounds of a pool in these tests. A shard has a part of a bound over all keys, so shards have none.
template <class Pool>
auto usual_bounds() {
    if constexpr (Pool::bounds_open)
        return open_bounds{{.max_open = 3, .max_idle = 3, .max_idle_per_key = 2, .patience = 0ns}};
    else if constexpr (std::is_same_v<Pool, shards>) return pool::bounded{.max_idle_per_key = 2};
    else return idle_bounds{{.max_idle = 3, .max_idle_per_key = 2}};
}

/// A pool, what it is used with, and what its user holds.
template <class Pool>
struct world_of {
    using pool_type = Pool;
    using lease = typename Pool::lease_type;
    using conn = typename Pool::connection_type;
    static constexpr auto lifetime = 10s;

    /// The pool owns a dial, traces its leases, or has an observer, if it is told to. With an observer, it has ghosts, too.
    explicit world_of(bool owns_dial = false, bool traces = false, const pool::event_observer& observer = {}) {
        held.reserve(8);
        mine.reserve(8);
        const pool::pool_settings settings{.keep_alive_every = 2s,
            .trace_leases = traces,
            .ghosts = static_cast<bool>(observer),
            .on_event = observer};
        if (owns_dial) conns.emplace(usual_bounds<Pool>(), lifetime, settings, dialer(), clock);
        else conns.emplace(usual_bounds<Pool>(), lifetime, settings, clock);
    }

    auto dialer() {
        return [dials = dials](const key& wanted, const pool::dial_context& context) mutable {
            return conn{dials(wanted, context)};
        };
    }

    void acquire(const key& wanted) { held.push_back(conns->acquire(wanted, dialer())); }
    void put(const key& wanted) { conns->put(wanted, conn{dials(wanted)}); }

    /// Checks what holds after each operation, failed or not, and that the pool still works. Nothing fails in it.
    void check(failure_run& run) {
        retire_dead();
        conns->upkeep();  // closes what look-ups have left
        const pool::stats s = conns->stats();
        run.require(s.closing == 0 && s.waiting == 0 && s.dialing == 0, "nothing is under way");
        run.require(s.puts == figures::accounted_puts(s), "the figures add up [C16]");
        run.require(s.lent == held.size(), "what is lent is with the caller [C1]");
        run.require(dials.open() == static_cast<int>(s.idle + s.lent + mine.size()), "nothing is lost [C12]");
        run.require(s.idle <= 3 || std::is_same_v<Pool, shards>, "the bound on what is idle holds [C2]");
        run.require(!pool::testing::is_under_lock(), "the lock is free");
        if (!run.broken().empty()) return end(run);  // a permit that is lost would block the next caller for good
        held.clear();
        for (const key* each : {&a, &b, &c, &a}) check_works(run, *each);
        conns->clear();
        run.require(conns->stats().keys == 0, "no key has a connection");
        for (const key* each : {&a, &b, &c})
            run.require(each->value().copies.use_count() == 1, "a key without connections leaves no trace [C17]");
        end(run);
    }

    /// The same, after the pool has been destroyed.
    void end(failure_run& run) {
        conns.reset();
        held.clear();
        for (conn& each : mine) each.close();
        mine.clear();
        run.require(dials.open() == 0, "all are closed in the end [C1]");
    }

    const key a{host{"the first key, long enough for the heap"}};
    const key b{host{"another key, long enough for the heap"}};
    const key c{host{"the third key, long enough for the heap"}};
    pool::testing::fake_dialer dials;
    typename Pool::clock_type clock;
    std::optional<Pool> conns;
    std::vector<lease> held;
    std::vector<conn> mine;
    bool is_closed = false;

private:
    /// Dead connections stay until a look-up meets them.
    void retire_dead() {
        std::vector<lease> alive;
        for (const key* each : {&a, &b, &c})
            while (auto found = conns->try_acquire(*each)) alive.push_back(std::move(found));
    }

    void check_works(failure_run& run, const key& wanted) {
        try {
            auto lent = conns->acquire(wanted, dialer());
            lent->use();
            run.require(!is_closed, "a closed pool lends nothing [C11]");
        } catch (const pool::pool_closed&) {
            run.require(is_closed, "an open pool lends");
        }
    }
};

/// What an operation promises if a call in it fails.
enum class promise {
    strong,  ///< it throws, and no connection has come or gone
    basic,   ///< it throws, and no connection is lost, but some may have been closed
    none     ///< it does not throw
};

/// The results of all scenarios of a test case.
class scenarios {
public:
    scenarios() = default;
    scenarios(const scenarios&) = delete;
    scenarios& operator=(const scenarios&) = delete;
    ~scenarios() { MESSAGE(all_.text()); }

    /// Makes each call of foreign code in `act(world)` fail. `prepare(world)` comes before it, and does not fail.
    template <class World, class Prepare, class Act>
    void add(const char* name, promise promised, Prepare prepare, Act act) {
        add_run<World>(
            name, promised, prepare, [&act](World& w, failure_run& run) { return run.during([&] { act(w); }); });
    }

    /// The same, but `act(world, run)` says itself where calls fail, and returns whether nothing has been thrown.
    template <class World, class Prepare, class Act>
    void add_run(const char* name, promise promised, Prepare prepare, Act act, std::optional<point> only = {}) {
        for (const bool persists : {false, true}) {
            const auto test = [&](failure_run& run) {
                World w{};
                prepare(w);
                const int before = w.dials.open();
                const bool is_done = act(w, run);
                run.require(is_done || promised != promise::none, "it does not throw");
                run.require(is_done || promised != promise::strong || w.dials.open() == before,
                    "no connection has come or gone [C12]");
                if (w.conns) w.check(run);
                else w.end(run);
            };
            const auto result = pool::testing::explore_failures(test, {.persists = persists, .only = only});
            CHECK_MESSAGE(bool{result}, (std::string{name} + ": " + result.text()));
            all_ += result;
        }
    }

private:
    pool::testing::failures_result all_;
};

/// Nothing to prepare.
constexpr auto nothing = [](auto&) {};

}  // namespace failing
