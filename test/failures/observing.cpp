// SPDX-License-Identifier: BSL-1.0
#include <cstdint>
#include <new>
#include <utility>

#include <doctest/doctest.h>

#include <pool/event.hpp>

#include <support/event_ledger.hpp>
#include <support/failing_pool.hpp>

// Each call of foreign code fails in turn, while a pool is observed: the observer may throw, and there may be no memory
// for an event.

namespace failures_observing_cases {

using namespace failing;

namespace {

/// What an observer has been told.
struct told_before_world {
    event_ledger ledger;
    std::uint64_t thrown = 0;
};

/// A world whose pool is observed. Each call of the observer may fail, after it has taken note of the event.
template <class Pool>
struct observed_world : told_before_world, world_of<Pool> {
    observed_world()
        : world_of<Pool>{false, false, [this](const pool::event& e) {
                             {
                                 const pool::testing::disarmed unnoticed;
                                 ledger(e);
                             }
                             ++thrown;
                             pool::testing::may_fail(pool::testing::point::hook);
                             --thrown;
                         }} {}
    observed_world(const observed_world&) = delete;
    observed_world& operator=(const observed_world&) = delete;

    /// What was not told is counted; if nothing is, the figures are the sums of the events.
    void check(failure_run& run) {
        const pool::stats s = this->conns->stats();
        run.require(s.failed_events == thrown, "an observer that throws is counted");
        pool::stats figures = s;
        figures.failed_events = 0;
        const bool is_exact = s.lost_events != 0 || ledger.difference(figures).empty();
        run.require(is_exact, "the figures are the sums of the events [C29]");
        world_of<Pool>::check(run);
    }
};

constexpr auto two_idle = [](auto& w) {
    w.put(w.a);
    w.put(w.b);
};

}  // namespace

TEST_CASE_TEMPLATE("failures: a pool that is observed [C12, C29]", Pool, idle_pool, open_pool) {
    using world = observed_world<Pool>;
    scenarios all;
    all.add<world>("acquire, and dial", promise::strong, nothing, [](world& w) { w.acquire(w.a); });
    all.add<world>("acquire what is idle", promise::strong, two_idle, [](world& w) { w.acquire(w.a); });
    all.add<world>(
        "give back", promise::none, [](world& w) { w.acquire(w.a); }, [](world& w) { w.held.clear(); });
    all.add<world>(
        "discard", promise::none, [](world& w) { w.acquire(w.a); },
        [](world& w) {
            w.held.back().discard();
            w.held.clear();
        });
    all.add<world>("clear", promise::none, two_idle, [](world& w) { w.conns->clear(); });
    all.add<world>("invalidate", promise::none, two_idle, [](world& w) { w.conns->invalidate(); });
}

TEST_CASE("failures: an event for which there is no memory is lost, and counted [C29]") {
    bool was_lost = false;
    for (std::uint64_t n = 1; n <= 20; ++n) {
        pool::testing::fake_dialer dials;
        std::uint64_t told = 0;
        pool::basic_pool<int, pool::testing::fake_connection> conns{
            {}, {}, {.on_event = [&](const pool::event&) { ++told; }}};
        auto conn = dials(1);
        try {
            const pool::testing::countdown next{pool::testing::point::allocation, n};
            conns.put(1, std::move(conn));
        } catch (const std::bad_alloc&) {
            CHECK(told == 0);
            conn.close();
            continue;
        }
        CHECK(conns.stats().idle == 1);
        CHECK(told + conns.stats().lost_events == 1);
        was_lost |= conns.stats().lost_events == 1;
    }
    CHECK(was_lost);
}

TEST_CASE("failures: an observer that is told as fast as things happen needs no memory") {
    pool::testing::fake_dialer dials;
    pool::basic_pool<int, pool::testing::fake_connection> conns{{}, {}, {.on_event = [](const pool::event&) {}}, dials};
    conns.acquire(1).give_back();
    CHECK(pool::testing::points_of(pool::testing::point::allocation, [&] { conns.acquire(1).give_back(); }) == 0);
}

}  // namespace failures_observing_cases
