// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <pool/pool.hpp>
#include <pool/testing/fake_dialer.hpp>

#include <metrics/scrape.hpp>

// Keys as labels.

namespace metric_keys {

using metrics::scrape;
using pool::metrics::prometheus_pools;
using pool::testing::fake_connection;
using pool::testing::fake_dialer;

using text_pool = pool::basic_pool<std::string, fake_connection, pool::bounded>;

std::string itself(const std::string& key) { return key; }

/// The number of a key's connections in a state.
double count(const scrape& now, const std::string& key, const std::string& state) {
    return now.of("db", "pool_key_connections", {{"key", key}, {"state", state}}).value_or(-1);
}

TEST_CASE("metrics, keys: without a function, keys are no labels") {
    fake_dialer dials;
    text_pool conns{{}, {}, {.name = "db"}};
    prometheus_pools all;
    all.add(conns);
    conns.put("a", dials("a"));
    CHECK(scrape{all}.count("pool_key_connections") == 0);
}

TEST_CASE("metrics, keys: the connections of a key are counted by their state") {
    fake_dialer dials;
    pool::basic_pool<std::string, fake_connection, pool::bounded_open> conns{{}, {}, {.name = "db"}};
    prometheus_pools all;
    all.add(conns, {}, itself);
    conns.put("a", dials("a"));
    conns.put("a", dials("a"));
    const auto lent = conns.acquire("b", dials);
    const auto counts_dials = [&](const std::string&) {
        const scrape now{all};
        CHECK(count(now, "b", "dialling") == 1);
        CHECK(count(now, "b", "lent") == 1);
        return dials("b");
    };
    const auto second = conns.acquire("b", counts_dials);
    const scrape now{all};
    CHECK(count(now, "a", "idle") == 2);
    CHECK(count(now, "a", "lent") == 0);
    CHECK(count(now, "b", "idle") == 0);
    CHECK(count(now, "b", "lent") == 2);
    CHECK(count(now, "b", "dialling") == 0);
    CHECK(count(now, "b", "closing") == 0);
    CHECK(now.count("pool_key_connections") == 8);
}

TEST_CASE("metrics, keys: connections that are being closed are counted, too") {
    fake_dialer dials;
    text_pool conns{{}, {}, {.name = "db"}};
    prometheus_pools all;
    all.add(conns, {}, itself);
    conns.put("a", dials("a"));
    dials[1].on_close = [&] { CHECK(count(scrape{all}, "a", "closing") == 1); };
    CHECK(conns.clear() == 1);
}

/// A lock that does something after each unlock.
struct watched_mutex {
    void lock() { mutex.lock(); }
    void unlock() {
        mutex.unlock();
        if (is_acting) return;
        is_acting = true;
        if (act) act();
        is_acting = false;
    }

    std::mutex mutex;
    static inline std::function<void()> act;
    static inline bool is_acting = false;
};

TEST_CASE("metrics, keys: a connection that is given back in the middle of a collection is counted once") {
    constexpr std::size_t all_open = 400;  // of which a step looks at a part
    fake_dialer dials;
    pool::basic_pool<std::string, fake_connection, pool::bounded, pool::never, watched_mutex> conns{
        {}, {}, {.name = "db"}};
    prometheus_pools all;
    all.add(conns, {}, itself);
    std::vector<decltype(conns)::lease_type> held;
    for (std::size_t i = 0; i != all_open; ++i) held.push_back(conns.acquire("a", dials));
    std::size_t next = 0;
    watched_mutex::act = [&] { held[next++].give_back(); };
    const scrape now{all};
    watched_mutex::act = nullptr;
    CHECK(next > 3);
    CHECK(count(now, "a", "idle") + count(now, "a", "lent") == all_open);
    CHECK(count(now, "a", "idle") > 0);
}

TEST_CASE("metrics, keys: keys with the same label are counted together") {
    fake_dialer dials;
    pool::basic_pool<int, fake_connection, pool::bounded> conns{{}, {}, {.name = "db"}};
    prometheus_pools all;
    std::map<int, int> asked;
    all.add(conns, {}, [&](const int& key) {
        ++asked[key];
        return key % 2 == 0 ? "even" : "odd";
    });
    for (int key = 0; key != 5; ++key) conns.put(key, dials(key));
    conns.put(0, dials(0));
    const scrape now{all};
    CHECK(count(now, "even", "idle") == 4);
    CHECK(count(now, "odd", "idle") == 2);
    CHECK(asked == std::map<int, int>{{0, 1}, {1, 1}, {2, 1}, {3, 1}, {4, 1}});
}

TEST_CASE("metrics, keys: no more labels than the cap have series, ever, and the rest is counted together") {
    fake_dialer dials;
    text_pool conns{{}, {}, {.name = "db"}};
    prometheus_pools all;
    all.add(conns, {}, itself, 2);
    conns.put("a", dials("a"));
    conns.put("b", dials("b"));
    CHECK(scrape{all}.values("pool_key_connections", "key") == std::set<std::string>{"a", "b"});
    for (const char* key : {"c", "d"}) conns.put(key, dials(key));
    const scrape full{all};
    CHECK(full.values("pool_key_connections", "key") == std::set<std::string>{"a", "b", "other"});
    CHECK(count(full, "other", "idle") == 2);
    CHECK(count(full, "a", "idle") == 1);
    conns.clear();  // the series of the first labels stay, so that others do not take their places again and again
    conns.put("c", dials("c"));
    const scrape later{all};
    CHECK(later.values("pool_key_connections", "key") == std::set<std::string>{"a", "b", "other"});
    CHECK(count(later, "a", "idle") == 0);
    CHECK(count(later, "other", "idle") == 1);
    conns.clear();
    CHECK(count(scrape{all}, "other", "idle") == 0);
}

TEST_CASE("metrics, keys: the cap is 100 unless it is said, and a label \"other\" is among the others") {
    fake_dialer dials;
    text_pool conns{{}, {}, {.name = "db"}};
    prometheus_pools all;
    all.add(conns, {}, itself);
    conns.put("other", dials("other"));
    for (int i = 0; i != 105; ++i) conns.put(std::to_string(i), dials("x"));
    const scrape now{all};
    CHECK(now.values("pool_key_connections", "key").size() == 101);
    CHECK(count(now, "other", "idle") == 6);
    CHECK(now.count("pool_key_connections") == 4 * 101);
}

TEST_CASE("metrics, keys: a label is made UTF-8") {
    fake_dialer dials;
    text_pool conns{{}, {}, {.name = "db"}};
    prometheus_pools all;
    all.add(conns, {}, itself);
    conns.put("\xff", dials("x"));
    conns.put("\xfe", dials("x"));
    CHECK(count(scrape{all}, "\xef\xbf\xbd", "idle") == 2);
}

TEST_CASE("metrics, keys: a function that throws costs the values of that pool's keys, and nothing else") {
    fake_dialer dials;
    text_pool conns{{}, {}, {.name = "db"}};
    text_pool other{{}, {}, {.name = "other"}};
    prometheus_pools all;
    bool fails = true;
    all.add(conns, {}, [&](const std::string& key) {
        if (fails && key == "b") throw std::runtime_error{"no label"};
        return key;
    });
    all.add(other, {}, itself);
    for (const char* key : {"a", "b", "c"}) {
        conns.put(key, dials(key));
        other.put(key, dials(key));
    }
    for (int n = 1; n != 3; ++n) {
        const scrape now{all};
        CHECK(now.of("db", "pool_puts_total") == 3);
        CHECK(now.of("db", "pool_collect_errors_total") == n);
        CHECK(now.of("other", "pool_collect_errors_total") == 0);
        CHECK(now.of("other", "pool_puts_total") == 3);
        CHECK(now.count("pool_key_connections") == 3 * 4);  // those of the other pool
    }
    fails = false;
    const scrape now{all};
    CHECK(now.of("db", "pool_collect_errors_total") == 2);
    CHECK(count(now, "b", "idle") == 1);
    CHECK(now.count("pool_key_connections") == 2 * 3 * 4);
}

}  // namespace metric_keys
