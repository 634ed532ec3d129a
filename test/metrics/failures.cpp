// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <string>

#include <doctest/doctest.h>

#include <pool/pool.hpp>
#include <pool/testing/failures.hpp>
#include <pool/testing/fake_dialer.hpp>

#include <metrics/scrape.hpp>

// Each allocation of a collection fails in turn.

namespace metric_failures {

using metrics::scrape;
using pool::metrics::prometheus_pools;
using pool::testing::fake_connection;
using pool::testing::fake_dialer;

using text_pool = pool::basic_pool<std::string, fake_connection, pool::bounded>;

const std::string long_key(60, 'k');

struct world {
    world() {
        first.put(long_key, dials("a"));
        second.put(long_key, dials("a"));
        all.add(first, {}, [](const std::string& key) { return key; });
        all.add(second, {}, [](const std::string& key) { return key; });
    }

    fake_dialer dials;
    text_pool first{{}, {}, {.name = "first"}};
    text_pool second{{}, {}, {.name = "second"}};
    prometheus_pools all;
};

/// How many series there are of a pool, besides those of its keys.
std::size_t series_of(const scrape& now, const char* pool) {
    const std::size_t all = now.count_with("db_client_connection_pool_name", pool);
    const bool has_keys = now.of(pool, "pool_key_connections", {{"key", long_key}, {"state", "idle"}}).has_value();
    return all - (has_keys ? 4 : 0);
}

TEST_CASE(
    "metrics, failures: without memory a pool is left out as a whole, and the next collection is complete [C12]") {
    const world sound;
    const std::size_t complete = series_of(scrape{sound.all}, "first");
    REQUIRE(complete > 20);
    bool left_out_one = false;
    bool left_out_keys = false;
    const auto result = pool::testing::explore_failures([&](pool::testing::failure_run& run) {
        world w;
        std::vector<prometheus::MetricFamily> families;
        const bool returned = run.during([&] { families = w.all.Collect(); });
        run.require(returned, "a collection throws nothing");
        const scrape now{std::move(families)};
        const std::size_t first = series_of(now, "first");
        const std::size_t second = series_of(now, "second");
        run.require(first == 0 || first == complete, "the first pool is there as a whole: ", first);
        run.require(second == 0 || second == complete, "the second pool is there as a whole: ", second);
        run.require(now.empty() || first + second >= complete, "one failure costs one pool at most");
        left_out_one |= first + second == complete;
        left_out_keys |= first + second == 2 * complete && now.count("pool_key_connections") == 4;

        const scrape later{w.all};
        run.require(
            series_of(later, "first") == complete && series_of(later, "second") == complete, "later both are there");
        run.require(later.count("pool_key_connections") == 8, "later the keys are there");
        const double errors = later.of("first", "pool_collect_errors_total").value_or(-1) +
                              later.of("second", "pool_collect_errors_total").value_or(-1);
        const bool is_counted = !now.empty() && run.has_failed();
        run.require(errors == (is_counted ? 1 : 0), "the failure is counted: ", errors);
    });
    INFO(result);
    CHECK(result);
    CHECK(left_out_one);
    CHECK(left_out_keys);
}

TEST_CASE("metrics, failures: an add that fails leaves nothing [C12]") {
    const auto result = pool::testing::explore_failures([&](pool::testing::failure_run& run) {
        fake_dialer dials;
        text_pool conns{{}, {}, {.name = "a name that is longer than a small string"}};
        prometheus_pools all;
        const bool is_added = run.during([&] {
            all.add(conns, {{"zone", "a value that is longer than a small string"}},
                [](const std::string& key) { return key; });
        });
        run.require(scrape{all}.count("pool_hits_total") == (is_added ? 1 : 0), "it is there, or not");
        run.require(all.remove(conns) == is_added, "it can be removed, or was not there");
    });
    INFO(result);
    CHECK(result);
}

}  // namespace metric_failures
