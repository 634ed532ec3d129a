// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <pool/bounded_pool.hpp>
#include <pool/connection_pool.hpp>
#include <pool/histogram.hpp>
#include <pool/pool.hpp>
#include <pool/print.hpp>
#include <pool/report.hpp>
#include <pool/sharded_pool.hpp>
#include <pool/testing/fake_dialer.hpp>

#include <support/requests.hpp>

// How long things take, as a distribution: the buckets, and what a pool counts in them.

namespace durations {

using namespace std::chrono_literals;
using pool::histogram;
using pool::histograms;
using pool::testing::fake_connection;

template <class Capacity>
using pool_of =
    pool::basic_pool<std::string, fake_connection, Capacity, pool::after_idle, std::mutex, pool::manual_clock>;
using open_pool = pool_of<pool::bounded_open>;

histogram of(std::initializer_list<std::chrono::nanoseconds> times) {
    histogram all;
    for (const auto each : times) all.add(each);
    return all;
}

TEST_CASE("histogram: every bucket ends at most a quarter later than it begins, and its end belongs to it") {
    static_assert(histogram::size == 131);
    static_assert(histogram::end_of(0) == 0ns);
    static_assert(histogram::end_of(1) == 1'024ns);
    static_assert(histogram::end_of(2) == 1'280ns);
    static_assert(histogram::end_of(5) == 2'048ns);
    CHECK(histogram::end_of(histogram::size - 2) == std::chrono::nanoseconds{std::int64_t{1} << 42});
    CHECK(histogram::end_of(histogram::size - 1) == std::chrono::nanoseconds::max());
    for (std::size_t i = 0; i + 1 != histogram::size; ++i) {
        const auto end = histogram::end_of(i);
        CHECK(histogram::bucket_of(end) == i);
        CHECK(histogram::bucket_of(end + 1ns) == i + 1);
        if (i > 1) CHECK(4 * (end - histogram::end_of(i - 1)) <= histogram::end_of(i - 1));
    }
    CHECK(histogram::bucket_of(-1ns) == 0);
    CHECK(histogram::bucket_of(std::chrono::nanoseconds::min()) == 0);
    CHECK(histogram::bucket_of(std::chrono::nanoseconds::max()) == histogram::size - 1);
}

TEST_CASE("histogram: it counts, adds up, and is a mean") {
    const histogram all = of({0ns, 1us, 3ms, -5ms});
    CHECK(all.count() == 4);
    CHECK(all.sum() == 3'001us);
    CHECK(all.mean() == 750'250ns);
    CHECK(all.count_in(0) == 2);
    CHECK(all.count_in(1) == 1);
    CHECK(all.count_in(histogram::bucket_of(3ms)) == 1);
    histogram both = of({1h, 2h});
    both += all;
    CHECK(both.count() == 6);
    CHECK(both.sum() == 3h + 3'001us);
    CHECK(both == of({1h, 0ns, 2h, 1us, 3ms, -5ms}));
    CHECK(both != all);
    CHECK(histogram{}.mean() == 0ns);
}

TEST_CASE("histogram: a sum that is too large stays at the largest") {
    histogram all = of({std::chrono::nanoseconds::max(), 1ns});
    CHECK(all.sum() == std::chrono::nanoseconds::max());
    all += all;
    CHECK(all.sum() == std::chrono::nanoseconds::max());
    CHECK(all.count() == 4);
}

TEST_CASE("histogram: quantiles are spread evenly inside a bucket") {
    CHECK(histogram{}.quantile(0.5) == 0ns);
    histogram all;
    for (int i = 0; i != 10; ++i) all.add(1'100ns);  // the bucket from 1,024 to 1,280 ns
    CHECK(all.quantile(0) == 1'024ns);
    CHECK(all.quantile(0.25) == 1'088ns);
    CHECK(all.quantile(0.5) == 1'152ns);
    CHECK(all.quantile(1) == 1'280ns);
    CHECK(all.quantile(-1) == all.quantile(0));
    CHECK(all.quantile(2) == all.quantile(1));
    CHECK(all.quantile(std::numeric_limits<double>::quiet_NaN()) == all.quantile(0));
    for (int i = 0; i != 30; ++i) all.add(0ns);
    CHECK(all.quantile(0.5) == 0ns);
    CHECK(all.quantile(0.75) == 0ns);
    CHECK(all.quantile(0.875) == 1'152ns);
}

TEST_CASE("histogram: quantiles are off by less than a quarter") {
    histogram all;
    for (int i = 1; i <= 10'000; ++i) all.add(i * 7us);
    for (const double q : {0.01, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999}) {
        const double truth = q * 70'000'000;
        const auto seen = static_cast<double>(all.quantile(q).count());
        CHECK(seen > 0.75 * truth);
        CHECK(seen < 1.25 * truth);
    }
}

TEST_CASE("histogram: what is beyond the last bound counts as that bound") {
    const auto last = histogram::end_of(histogram::size - 2);
    const histogram all = of({1ms, 100h, 200h});
    CHECK(all.quantile(0.5) == last);
    CHECK(all.quantile(1) == last);
    CHECK(all.sum() == 300h + 1ms);
}

TEST_CASE("histogram: as text") {
    histogram all;
    CHECK(pool::to_string(all) == "none");
    for (int i = 0; i != 999; ++i) all.add(0ns);
    all.add(1s);
    CHECK(pool::to_string(all) == "1000, mean 1 ms, 50/90/99/99.9 % within 0 ns / 0 ns / 0 ns / 0 ns");
}

TEST_CASE("histograms: there are none without the setting, and a pool that is only traced counts nothing") {
    CHECK_FALSE(open_pool{}.histograms());
    CHECK_FALSE(open_pool{{}, {}, {.trace_leases = true}}.histograms());
    CHECK(open_pool{{}, {}, {.histograms = true}}.histograms() == histograms{});
}

TEST_CASE("histograms: the dial, the wait, the use and the close of a connection") {
    pool::testing::fake_dialer dials;
    pool::manual_clock clock;
    open_pool conns{{.max_open = 1}, 1h, {.histograms = true}, clock};
    dials.each([&](const auto&) { clock.advance(20ms); });
    dials.prepare([&](auto& far_end) { far_end.on_close = [&] { clock.advance(3ms); }; });
    auto first = conns.acquire("a", dials);
    histograms expected;
    expected.dial.add(20ms);
    expected.wait.add(0ns);
    CHECK(conns.histograms() == expected);

    struct waiter final : requests::request<open_pool> {
        waiter() : request{false} {}
        bool notified() noexcept override { return true; }
    } asks;
    requests::submit(conns, asks, "a");
    clock.advance(400ms);
    first.give_back();
    expected.use.add(400ms);
    CHECK(requests::look(conns, asks) == pool::core::request_state::lent);
    expected.wait.add(400ms);
    CHECK(conns.histograms() == expected);

    clock.advance(5s);
    requests::lease_of(conns, asks).discard();
    expected.use.add(5s);
    expected.close.add(3ms);
    CHECK(conns.histograms() == expected);
}

TEST_CASE("histograms: a dial that fails, a caller that gives up, and a lease that is not used are not counted") {
    pool::testing::fake_dialer dials;
    pool::manual_clock clock;
    open_pool conns{{.max_open = 1}, 1h, {.histograms = true}, clock};
    dials.next([&](const auto&) -> void {
        clock.advance(1s);
        throw std::runtime_error{"refused"};
    });
    CHECK_THROWS((void)conns.acquire("a", dials));
    CHECK(conns.histograms() == histograms{});
    const auto lent = conns.acquire("a", dials);
    CHECK_THROWS_AS((void)conns.acquire("a", dials, 0s), pool::acquire_timeout);
    const histograms now = conns.histograms().value();
    CHECK(now.dial.count() == 1);
    CHECK(now.wait.count() == 1);
    CHECK(now.use.count() == 0);
    CHECK(now.close.count() == 0);
}

TEST_CASE("histograms: what is detached was used, and counts with it") {
    pool::testing::fake_dialer dials;
    pool::manual_clock clock;
    pool_of<pool::bounded> conns{{}, 1h, {.histograms = true}, clock};
    auto lent = conns.acquire("a", dials);
    clock.advance(2s);
    auto kept = lent.detach();
    kept.close();
    CHECK(conns.histograms()->use == of({2s}));
}

TEST_CASE("histograms: those of shards are added up") {
    pool::testing::fake_dialer dials;
    pool::manual_clock clock;
    pool::sharded_pool<3, std::string, fake_connection, pool::bounded, pool::never, std::mutex, pool::manual_clock>
        conns{{}, {}, {.histograms = true}, clock};
    for (int i = 0; i != 20; ++i) {
        const auto lent = conns.acquire(std::to_string(i), dials);
        clock.advance(1ms);
    }
    histogram expected;
    for (int i = 0; i != 20; ++i) expected.add(1ms);
    CHECK(conns.histograms()->use == expected);
    CHECK(conns.histograms()->dial.count() == 20);
}

TEST_CASE("histograms: the ready-made pools have the option") {
    pool::testing::fake_dialer dials;
    pool::connection_pool<std::string, fake_connection> idle{{.histograms = true}};
    pool::bounded_pool<std::string, fake_connection> open{{.max_open = 1, .histograms = true}, dials};
    { const auto lent = idle.acquire("a", dials); }
    { const auto lent = open.acquire("a"); }
    CHECK(idle.histograms()->use.count() == 1);
    CHECK(open.histograms()->use.count() == 1);
}

TEST_CASE("histograms: the report has a line for each kind of which there was one") {
    pool::testing::fake_dialer dials;
    pool::manual_clock clock;
    open_pool conns{{}, 1h, {.name = "db", .histograms = true}, clock};
    {
        const auto lent = conns.acquire("a", dials);
        clock.advance(1ms);
    }
    CHECK(pool::report(conns) == "pool \"db\": no bounds\n"
                                 "figures: idle 1, keys 1, misses 1, dials 1, puts 1\n"
                                 "waits: 1, mean 0 ns, 50/90/99/99.9 % within 0 ns / 0 ns / 0 ns / 0 ns\n"
                                 "uses: 1, mean 1 ms, 50/90/99/99.9 % within 983 us / 1.04 ms / 1.05 ms / 1.05 ms\n"
                                 "dials: 1, mean 0 ns, 50/90/99/99.9 % within 0 ns / 0 ns / 0 ns / 0 ns\n"
                                 "busiest: \"a\": 1 idle, 0 lent\n");
}

}  // namespace durations
