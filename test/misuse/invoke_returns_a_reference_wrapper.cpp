// SPDX-License-Identifier: BSL-1.0
// expect: pool: invoke must not return a reference: the connection is with the pool again by then
#include <functional>
#include <string>

#include "parts.hpp"

struct client : session {
    std::string name;
};

pool::connection_pool<int, client> clients;

std::string peer() {
    auto lazy = clients.get(1, [](int) { return client{}; });
#ifdef POOL_MISUSE_FIXED
    return lazy.invoke([](client& c) { return c.name; });
#else
    return lazy.invoke([](client& c) { return std::cref(c.name); });
#endif
}
