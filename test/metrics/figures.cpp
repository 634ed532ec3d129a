// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <pool/bounded_pool.hpp>
#include <pool/connection_pool.hpp>
#include <pool/pool.hpp>
#include <pool/sharded_pool.hpp>
#include <pool/testing/actions.hpp>
#include <pool/testing/fake_dialer.hpp>

#include <metrics/scrape.hpp>
#include <support/bounded_pool.hpp>
#include <support/fake.hpp>
#include <support/strict.hpp>

// The values of pools, their labels, and which pools there are.

namespace metric_figures {

using namespace std::chrono_literals;
using metrics::scrape;
using pool::metrics::prometheus_pools;
using pool::testing::fake_connection;
using pool::testing::fake_dialer;

template <class Capacity>
using pool_of =
    pool::basic_pool<std::string, fake_connection, Capacity, pool::after_idle, std::mutex, pool::manual_clock>;
using idle_pool = pool_of<pool::bounded>;
using shards =
    pool::sharded_pool<3, std::string, fake_connection, pool::bounded, pool::never, std::mutex, pool::manual_clock>;

/// The sum over all reasons.
double retired(const scrape& now, const std::string& pool) {
    double all = 0;
    for (const std::string& reason : now.values("pool_retired_total", "reason"))
        all += now.of(pool, "pool_retired_total", {{"reason", reason}}).value();
    return all;
}

/// Whether all that is exported of a pool is what its own statistics say.
void check_exact(const scrape& now, const std::string& pool, const pool::stats& s) {
    const auto value = [&](const char* name, prometheus::Labels labels = {}) {
        INFO(name);
        const auto found = now.of(pool, name, std::move(labels));
        REQUIRE(found.has_value());
        return found.value_or(-1);
    };
    const auto is = [&](double seen, auto expected) { CHECK(seen == static_cast<double>(expected)); };
    const auto reason = [&](const char* name) { return value("pool_retired_total", {{"reason", name}}); };
    is(value("db_client_connection_count", {{"db_client_connection_state", "idle"}}), s.idle);
    is(value("db_client_connection_count", {{"db_client_connection_state", "used"}}), s.lent);
    is(value("pool_hits_total"), s.hits);
    is(value("pool_misses_total"), s.misses);
    is(value("pool_skipped_blocked_total"), s.skipped_blocked);
    is(value("pool_dials_total"), s.dials);
    is(value("pool_failed_dials_total"), s.failed_dials);
    is(value("pool_outdated_dials_total"), s.outdated_dials);
    is(value("pool_puts_total"), s.puts);
    is(reason("cleared"), s.cleared);
    is(reason("discarded"), s.discarded);
    is(reason("evicted"), s.evicted);
    is(reason("expired"), s.expired);
    is(reason("failed_keep_alive"), s.failed_keep_alives);
    is(reason("failed_reset"), s.failed_resets);
    is(reason("found_closed"), s.found_closed);
    is(reason("found_unhealthy"), s.found_unhealthy);
    is(reason("invalidated"), s.invalidated);
    is(reason("refused"), s.refused);
    is(value("pool_detached_total"), s.detached);
    is(value("pool_failed_closes_total"), s.failed_closes);
    is(value("pool_lost_events_total"), s.lost_events);
    is(value("pool_failed_events_total"), s.failed_events);
    is(value("pool_kept_alive_total"), s.kept_alive);
    is(value("pool_checking"), s.checking);
    is(value("pool_closing"), s.closing);
    is(value("pool_keys"), s.keys);
    is(value("pool_collect_errors_total"), 0);
}

/// The same for what only a pool with a wait queue has.
void check_exact_queue(const scrape& now, const std::string& pool, const pool::stats& s) {
    const auto is = [&](const char* name, auto expected) {
        INFO(name);
        CHECK(now.of(pool, name) == static_cast<double>(expected));
    };
    is("db_client_connection_pending_requests", s.waiting);
    is("db_client_connection_timeouts_total", s.timed_out);
    is("pool_dialing", s.dialing);
    is("pool_cancelled_total", s.cancelled);
    is("pool_queue_full_total", s.queue_full);
    is("pool_overtaken_total", s.overtaken);
    is("pool_wait_seconds_total", std::chrono::duration<double>{s.total_wait}.count());
    is("pool_longest_wait_seconds", std::chrono::duration<double>{s.longest_wait}.count());
}

TEST_CASE("metrics: every figure is exported, and each by its own name") {
    // Each figure has another value, so two that are exchanged are seen.
    using numbers = std::array<std::uint64_t, sizeof(pool::stats) / sizeof(std::uint64_t)>;
    numbers each{};
    for (std::size_t i = 0; i != each.size(); ++i) each[i] = 1'000 + i;
    pool::metrics::kernel::snapshot all;
    all.stats = std::bit_cast<pool::stats>(each);
    all.errors = 1;
    all.min_idle = 2;
    all.max_idle = 3;
    all.max_idle_weight = 4;
    all.max_open = 5;
    all.max_waiting = 6;
    all.bounds_open = all.bounds_weight = true;
    std::multiset<double> seen;
    for (const auto& figure : pool::metrics::kernel::figures)
        if (figure.times == nullptr) seen.insert(figure.of(all).value());
    std::multiset<double> expected{1, 2, 3, 4, 5, 6};
    for (std::size_t i = 0; i + 2 < each.size(); ++i) expected.insert(static_cast<double>(each[i]));
    const auto seconds = [](std::chrono::nanoseconds time) { return std::chrono::duration<double>{time}.count(); };
    expected.insert(seconds(all.stats.total_wait));
    expected.insert(seconds(all.stats.longest_wait));
    CHECK(seen == expected);
}

TEST_CASE("metrics: the values of a pool that bounds what is idle are those of its statistics") {
    fake_dialer dials;
    pool::manual_clock clock;
    idle_pool conns{{.max_idle = 3, .max_idle_per_key = 2}, 10s, {.name = "db"}, clock};
    prometheus_pools all;
    all.add(conns);
    check_exact(scrape{all}, "db", conns.stats());

    for (int i = 0; i != 3; ++i) conns.put("a", dials("a"));  // evicts one
    conns.acquire("a", dials).discard();
    conns.acquire("a", dials).detach().close();
    CHECK_FALSE(conns.try_acquire("b"));
    dials.next(pool::testing::fails("refused"));
    CHECK_THROWS((void)conns.acquire("b", dials));
    conns.put("b", dials("b"));
    clock.advance(10s);
    conns.expire();
    const auto lent = conns.acquire("c", dials);
    conns.put("d", dials("d"));
    conns.clear();

    const scrape now{all};
    const pool::stats s = conns.stats();
    check_exact(now, "db", s);
    CHECK(s.evicted == 1);
    CHECK(s.expired == 1);
    CHECK(s.failed_dials == 1);
    CHECK(s.detached == 1);
    CHECK(s.lent == 1);
    // What came in is idle, was lent again, or has left for a reason.
    CHECK(static_cast<double>(s.puts) ==
          static_cast<double>(s.idle + s.hits) + retired(now, "db") - static_cast<double>(s.discarded));
    CHECK(now.of("db", "db_client_connection_idle_max") == 3);
    CHECK_FALSE(now.of("db", "db_client_connection_max"));
    CHECK_FALSE(now.of("db", "db_client_connection_pending_requests"));
    CHECK_FALSE(now.of("db", "pool_idle_weight"));
    CHECK_FALSE(now.of("db", "db_client_connection_idle_min"));
}

TEST_CASE("metrics: the values of a pool that bounds what is open are those of its statistics, with its wait queue") {
    bounded_pools::fixture f{strict({.max_open = 1, .max_waiting = 1})};
    prometheus_pools all;
    all.add(f.conns);
    auto lent = f.acquire("a");
    auto next = f.waits("a");
    f.clock.advance(1500ms);
    CHECK_THROWS_AS((void)f.acquire("a"), pool::queue_full);
    CHECK(scrape{all}.of("peers", "db_client_connection_pending_requests") == 1);
    lent.give_back();
    auto second = next.got();
    auto late = f.waits("b", f.clock.now() + 1s);
    f.clock.advance(1s);
    CHECK_THROWS_AS((void)late.got(), pool::acquire_timeout);
    auto stopped = f.waits("b");
    stopped.cancel();
    CHECK_THROWS_AS((void)stopped.got(), pool::acquire_cancelled);

    const scrape now{all};
    check_exact(now, "peers", f.conns.stats());
    check_exact_queue(now, "peers", f.conns.stats());
    CHECK(now.of("peers", "db_client_connection_timeouts_total") == 1);
    CHECK(now.of("peers", "pool_cancelled_total") == 1);
    CHECK(now.of("peers", "pool_queue_full_total") == 1);
    CHECK(now.of("peers", "pool_wait_seconds_total") == 2.5);
    CHECK(now.of("peers", "pool_longest_wait_seconds") == 1.5);
    CHECK(now.of("peers", "db_client_connection_max") == 1);
    CHECK(now.of("peers", "pool_waiting_max") == 1);
    CHECK_FALSE(now.of("peers", "db_client_connection_idle_max"));
}

TEST_CASE("metrics: bounds are those of now, and what is not bounded has none") {
    idle_pool conns{{.max_idle = 3}, 10s, {.name = "db"}};
    prometheus_pools all;
    all.add(conns);
    CHECK(scrape{all}.of("db", "db_client_connection_idle_max") == 3);
    conns.reconfigure(pool::bounded{.max_idle = 5});
    CHECK(scrape{all}.of("db", "db_client_connection_idle_max") == 5);
    conns.reconfigure(pool::bounded{.max_idle_per_key = 2});
    CHECK_FALSE(scrape{all}.of("db", "db_client_connection_idle_max"));
    fake_dialer dials;
    conns.min_idle("a", 2, dials);
    conns.min_idle("b", 1, dials);
    CHECK(scrape{all}.of("db", "db_client_connection_idle_min") == 3);
}

TEST_CASE("metrics: times are exported as histograms in seconds, each by its own name") {
    pool::metrics::kernel::snapshot all;
    all.bounds_open = true;
    auto& times = all.times.emplace();
    const auto fill = [](pool::histogram& its, std::chrono::nanoseconds time, int count) {
        while (count-- != 0) its.add(time);
    };
    fill(times.dial, 1ms, 1);
    fill(times.wait, 1ms, 2);
    fill(times.use, 1ms, 3);
    fill(times.close, 1ms, 4);
    pool::metrics::kernel::families families;
    families.append(pool::metrics::kernel::samples_of(all, {{"db_client_connection_pool_name", "db"}}));
    const scrape now{families.take()};
    CHECK(now.times("db", "db_client_connection_create_time_seconds").sample_count == 1);
    CHECK(now.times("db", "db_client_connection_wait_time_seconds").sample_count == 2);
    CHECK(now.times("db", "db_client_connection_use_time_seconds").sample_count == 3);
    CHECK(now.times("db", "pool_close_time_seconds").sample_count == 4);
    CHECK(now.times("db", "pool_close_time_seconds").sample_sum == doctest::Approx(0.004));
}

TEST_CASE("metrics: a bucket of a histogram has all times up to its bound") {
    fake_dialer dials;
    pool::manual_clock clock;
    pool_of<pool::bounded_open> conns{{}, 10s, {.name = "db", .histograms = true}, clock};
    prometheus_pools all;
    all.add(conns);
    const auto use_for = [&](std::chrono::nanoseconds time) {
        const auto lent = conns.acquire("a", dials);
        clock.advance(time);
    };
    const auto times = {
        8'192ns, 8'193ns, 16'384ns, std::chrono::nanoseconds{1'000'000'000}, 137'438'953'472ns, 200'000'000'000ns};
    for (const std::chrono::nanoseconds time : times) use_for(time);
    const auto seen = scrape{all}.times("db", "db_client_connection_use_time_seconds");
    CHECK(seen.sample_count == 6);
    CHECK(seen.sample_sum == doctest::Approx(338.439));
    REQUIRE(seen.bucket.size() == 25);
    CHECK(seen.bucket.front().upper_bound == doctest::Approx(8.192e-6));
    CHECK(seen.bucket.front().cumulative_count == 1);
    CHECK(seen.bucket[1].cumulative_count == 3);
    CHECK(seen.bucket[16].upper_bound == doctest::Approx(0.536870912));
    CHECK(seen.bucket[16].cumulative_count == 3);
    CHECK(seen.bucket[17].cumulative_count == 4);
    CHECK(seen.bucket.back().upper_bound == doctest::Approx(137.438953472));
    CHECK(seen.bucket.back().cumulative_count == 5);
}

TEST_CASE("metrics: times are exported of pools that count them, and waits of those in which callers wait") {
    idle_pool without{{}, 10s, {.name = "without"}};
    idle_pool idle{{}, 10s, {.name = "idle", .histograms = true}};
    pool_of<pool::bounded_open> open{{}, 10s, {.name = "open", .histograms = true}};
    shards many{{}, {}, {.name = "many", .histograms = true}};
    fake_dialer dials;
    prometheus_pools all;
    all.add(without);
    all.add(idle);
    all.add(open);
    all.add(many);
    for (int i = 0; i != 20; ++i) const auto lent = many.acquire(std::to_string(i), dials);
    const scrape now{all};
    CHECK(now.count("db_client_connection_use_time_seconds") == 3);
    CHECK(now.count("db_client_connection_create_time_seconds") == 3);
    CHECK(now.count("db_client_connection_wait_time_seconds") == 1);
    CHECK(now.count("pool_close_time_seconds") == 3);
    CHECK(now.times("many", "db_client_connection_create_time_seconds").sample_count == 20);
}

TEST_CASE("metrics: weights are exported of a pool that bounds them") {
    pool_of<pool::weighed<pool::bounded>> conns{{{.max_idle = 64}, 100}, 10s, {.name = "buffers"}};
    prometheus_pools all;
    all.add(conns);
    fake_dialer dials;
    dials.prepare([](auto& far_end) { far_end.weight = 7; });
    conns.put("a", dials("a"));
    const scrape now{all};
    CHECK(now.of("buffers", "pool_idle_weight") == 7);
    CHECK(now.of("buffers", "pool_idle_weight_max") == 100);
}

TEST_CASE("metrics: a sharded pool is one pool, and its bounds are those of all shards") {
    shards conns{pool::bounded{.max_idle = 64}, {}, {.name = "many"}};
    shards unbounded{pool::bounded{}, {}, {.name = "more"}};
    fake_dialer dials;
    prometheus_pools all;
    all.add(conns, {}, [](const std::string&) { return "all"; });
    all.add(unbounded);
    for (int i = 0; i != 20; ++i) conns.put(std::to_string(i), dials("x"));
    const auto lent = conns.acquire("0", dials);
    const scrape now{all};
    check_exact(now, "many", conns.stats());
    CHECK(now.of("many", "db_client_connection_idle_max") == 64);
    CHECK_FALSE(now.of("more", "db_client_connection_idle_max"));
    CHECK(now.of("many", "pool_key_connections", {{"key", "all"}, {"state", "idle"}}) == 19);
    CHECK(now.of("many", "pool_key_connections", {{"key", "all"}, {"state", "lent"}}) == 1);
}

TEST_CASE("metrics: the ready-made pools are collected, and several pools share the families") {
    fake_dialer dials;
    pool::connection_pool<std::string, fake_connection> idle{{.capacity = 7, .expiration = 1min, .name = "idle"}};
    pool::bounded_pool<pool::no_key, fake_connection> open{{.max_open = 9, .name = "open"}, dials};
    prometheus_pools all;
    all.add(idle);
    all.add(open, {{"zone", "a"}});
    const auto lent = open.acquire();
    const scrape now{all};
    check_exact(now, "idle", idle.stats());
    CHECK(now.of("idle", "db_client_connection_idle_max") == 7);
    CHECK(now.of("open", "db_client_connection_max", {{"zone", "a"}}) == 9);
    const prometheus::Labels used{{"zone", "a"}, {"db_client_connection_state", "used"}};
    CHECK(now.of("open", "db_client_connection_count", used) == 1);
    CHECK(now.count("pool_dials_total") == 2);
    std::set<std::string> names;
    for (const auto& family : now.families()) CHECK(names.insert(family.name).second);
    for (const auto& family : now.families()) CHECK_FALSE(family.help.empty());
}

TEST_CASE("metrics: a pool that is destroyed is not collected any more, whatever is left of it") {
    fake_dialer dials;
    std::optional<idle_pool> first{std::in_place, pool::bounded{}, 10s, pool::pool_settings{.name = "first"}};
    std::optional<idle_pool> second{std::in_place, pool::bounded{}, 10s, pool::pool_settings{.name = "second"}};
    prometheus_pools all;
    all.add(*first);
    all.add(*second);
    const auto lazy = first->get("a", dials);  // keeps the pool's state
    const auto lent = second->acquire("a", dials);
    CHECK(scrape{all}.count("pool_hits_total") == 2);
    first.reset();
    CHECK(scrape{all}.count("pool_hits_total") == 1);
    second.reset();
    CHECK(scrape{all}.empty());

    idle_pool again{pool::bounded{}, 10s, {.name = "first"}};
    all.add(again);
    CHECK(scrape{all}.of("first", "pool_hits_total") == 0);
}

TEST_CASE("metrics: a closed pool is still collected: it may have connections that are lent") {
    fake_dialer dials;
    idle_pool conns{pool::bounded{}, 10s, {.name = "db"}};
    prometheus_pools all;
    all.add(conns);
    const auto lent = conns.acquire("a", dials);
    conns.close().rethrow();
    CHECK(scrape{all}.of("db", "db_client_connection_count", {{"db_client_connection_state", "used"}}) == 1);
}

TEST_CASE("metrics: a pool is removed, with all its labels, and only that one") {
    idle_pool conns{pool::bounded{}, 10s, {.name = "db"}};
    idle_pool other{pool::bounded{}, 10s, {.name = "other"}};
    prometheus_pools all;
    CHECK_FALSE(all.remove(conns));
    all.add(conns);
    all.add(conns, {{"zone", "b"}});
    all.add(other);
    CHECK(scrape{all}.count("pool_hits_total") == 3);
    CHECK(all.remove(conns));
    CHECK_FALSE(all.remove(conns));
    CHECK(scrape{all}.count("pool_hits_total") == 1);
    all.add(conns);
    CHECK(scrape{all}.count("pool_hits_total") == 2);
}

TEST_CASE("metrics: two pools cannot have the same name and labels, and labels cannot have any name") {
    idle_pool conns{pool::bounded{}, 10s, {.name = "db"}};
    idle_pool twin{pool::bounded{}, 10s, {.name = "db"}};
    prometheus_pools all;
    all.add(conns);
    CHECK_THROWS_WITH_AS(
        all.add(twin), "prometheus_pools: another pool has the same name and labels", std::invalid_argument);
    CHECK_THROWS_AS(all.add(conns), std::invalid_argument);
    CHECK_THROWS_AS(all.add(twin, {{"zone", ""}}), std::invalid_argument);  // no label
    all.add(twin, {{"zone", "b"}});
    CHECK_THROWS_WITH_AS(all.add(twin, {{"reason", "x"}}), "prometheus_pools: \"reason\" cannot be the name of a label",
        std::invalid_argument);
    for (const char* name : {"", "1st", "a-b", "__a", "key", "state", "db_client_connection_pool_name"})
        CHECK_THROWS_AS(all.add(twin, {{name, "x"}}), std::invalid_argument);
    all.add(twin, {{"_a1", "x"}});
    CHECK(scrape{all}.count("pool_hits_total") == 3);
}

TEST_CASE("metrics: the names of pools and labels are made UTF-8, because another one would spoil the scrape") {
    idle_pool conns{pool::bounded{}, 10s,
        {.name = "d\xff"
                 "b\xc3\xa9"}};
    prometheus_pools all;
    all.add(conns, {{"zone", "\xe2\x82"}});
    CHECK(scrape{all}.of("d\xef\xbf\xbd"
                         "b\xc3\xa9",
              "pool_hits_total", {{"zone", "\xef\xbf\xbd\xef\xbf\xbd"}}) == 0);
}

TEST_CASE("metrics: text that is UTF-8 stays, and each other byte is replaced") {
    using pool::metrics::kernel::as_utf8;
    const std::string sign = "\xef\xbf\xbd";
    for (const char* text : {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
             "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "a\xc3\xa9z"})
        CHECK(as_utf8(text) == text);
    for (const char* text : {"\x80", "\xc1", "\xc2", "\xf5", "\xff"}) CHECK(as_utf8(text) == sign);
    CHECK(as_utf8("\xc0\x80") == sign + sign);                        // too long a form
    CHECK(as_utf8("\xe0\x9f\xbf") == sign + sign + sign);             // the same
    CHECK(as_utf8("\xed\xa0\x80") == sign + sign + sign);             // a surrogate
    CHECK(as_utf8("\xf4\x90\x80\x80") == sign + sign + sign + sign);  // beyond Unicode
    CHECK(as_utf8("\xe2\x82z") == sign + sign + "z");
    CHECK(as_utf8(std::string{"a\0b", 3}) == std::string{"a\0b", 3});
}

}  // namespace metric_figures
