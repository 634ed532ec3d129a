// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>

#include <clients/redis_load.hpp>

// Many users of one Redis, which ends connections, and restarts.

namespace redis_test {

TEST_CASE("redis: among users who misbehave, each answer is that of its own question, and the server sees no more than "
          "the bound") {
    server redis;
    const auto restart = [&] {
        redis.stop();
        redis.start();
    };
    check_load(redis, {.name = "redis", .port = redis.port(), .restart = restart}, is_full_tier() ? 1'000'000 : 60'000);
}

}  // namespace redis_test
