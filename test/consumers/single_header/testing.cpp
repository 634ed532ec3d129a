// SPDX-License-Identifier: BSL-1.0
#include <string>

#include "connection.hpp"
#include "pool_testing.hpp"

bool explores() {
    using namespace pool::testing;
    const auto test = [](exploration& run) {
        pool::basic_pool<std::string, connection, pool::bounded, pool::never, scheduled_lock, scheduled_clock> conns;
        const auto use = [&] { (void)conns.acquire("peer", [](const std::string&) { return connection{}; }); };
        run.run({{"one", use}, {"two", use}});
        run.require(conns.stats().hits + conns.stats().misses == 2, "both have looked");
    };
    return explore(test).all;
}
