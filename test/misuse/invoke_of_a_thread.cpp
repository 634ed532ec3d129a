// SPDX-License-Identifier: BSL-1.0
// expect: pool: invoke gives the connection back when the function returns, and a future or a coroutine runs later. Take pool::asio::async_invoke for a coroutine of Asio, or keep a lease until the work is done
#include <thread>

#include "parts.hpp"

pool::connection_pool<int, session> sessions;

void use() {
    auto lazy = sessions.get(1, dial);
    const auto start = [](session& s) { return std::thread{[&s] { s.close(); }}; };
#ifdef POOL_MISUSE_FIXED
    lazy.invoke([&](session& s) { start(s).join(); });
#else
    lazy.invoke(start).join();
#endif
}
