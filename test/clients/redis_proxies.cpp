// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>

#include <clients/redis_load.hpp>
#include <clients/server.hpp>

// The same users as of a Redis itself, and the same answers, by HAProxy.

namespace redis_test {

TEST_CASE(
    "redis_proxies: by HAProxy, each answer is that of its own question, and the server sees no more than the bound") {
    server redis;
    clients::server proxy{"haproxy", redis.url()};
    int restarts = 0;
    const auto restart = [&] {
        proxy.stop();
        if (++restarts == 2) redis.stop();
        if (restarts == 2) redis.start();
        proxy.start();
    };
    check_load(redis, {.name = "redis by HAProxy", .port = proxy.port(), .restart = restart, .tells_late = true},
        is_full_tier() ? 1'000'000 : 10'000);
}

}  // namespace redis_test
