// SPDX-License-Identifier: BSL-1.0
// expect: pool: invoke needs a function that takes a Conn& or its lease, or the arguments of Conn's own invoke
#include "parts.hpp"

struct client : session {
    int invoke(int call) { return call; }
};

pool::connection_pool<int, client> clients;

int call() {
    auto lazy = clients.get(1, [](int) { return client{}; });
#ifdef POOL_MISUSE_FIXED
    return lazy.invoke(7);
#else
    return lazy.invoke("seven");
#endif
}
