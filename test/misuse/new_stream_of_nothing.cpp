// SPDX-License-Identifier: BSL-1.0
// expect: pool: new_stream needs the arguments of Conn's own new_stream
#include "parts.hpp"

struct rows {
    bool done() noexcept { return true; }
};

struct client : session {
    rows new_stream(int) { return {}; }
};

pool::connection_pool<int, client> clients;

void call() {
    auto lazy = clients.get(1, [](int) { return client{}; });
#ifdef POOL_MISUSE_FIXED
    auto stream = lazy.new_stream(7);
#else
    auto stream = lazy.new_stream("seven");
#endif
}
