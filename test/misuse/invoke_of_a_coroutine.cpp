// SPDX-License-Identifier: BSL-1.0
// expect: pool: invoke gives the connection back when the function returns, and a future or a coroutine runs later. Take pool::asio::async_invoke for a coroutine of Asio, or keep a lease until the work is done
#include "parts.hpp"

// The return type of a coroutine, of any library. A compiler without coroutines takes it, too.
struct task {
    struct promise_type;
    bool run() { return true; }
};

pool::connection_pool<int, session> sessions;

bool use() {
    auto lazy = sessions.get(1, dial);
    const auto start = [](session&) { return task{}; };
#ifdef POOL_MISUSE_FIXED
    auto lent = sessions.acquire(1, dial);
    return start(*lent).run();
#else
    return lazy.invoke(start).run();
#endif
}
