// SPDX-License-Identifier: BSL-1.0
#include <iostream>
#include <string>

#include <prometheus/text_serializer.h>

#include <pool/metrics/prometheus.hpp>
#include <pool/pool.hpp>
#include <pool/testing/fake_dialer.hpp>

// Prints every metric as prometheus-cpp serves it, for promtool. Names and labels have what has to be escaped.

int main() {
    using pool::testing::fake_connection;
    pool::testing::fake_dialer dials;
    pool::basic_pool<std::string, fake_connection, pool::weighed<pool::bounded_open>> conns{
        {{.max_open = 4, .max_idle = 2, .max_waiting = 8}, 100}, {}, {.name = "a \"name\"\\\n\xff"}};
    pool::connection_pool<int, fake_connection> other{{.name = "other"}};
    conns.min_idle("a", 1, dials);
    const auto lent = conns.acquire("a {b}\xc3\xa9\xff", dials);
    const auto more = other.acquire(7, dials);
    pool::metrics::prometheus_pools all;
    all.add(conns, {{"zone", "=\","}}, [](const std::string& key) { return key; });
    all.add(other);
    std::cout << prometheus::TextSerializer{}.Serialize(all.Collect());
}
