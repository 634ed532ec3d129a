// SPDX-License-Identifier: BSL-1.0
// expect: pool: invoke gives the connection back when the function returns, and a future or a coroutine runs later. Take pool::asio::async_invoke for a coroutine of Asio, or keep a lease until the work is done
#include <future>

#include "parts.hpp"

pool::connection_pool<int, session> sessions;

bool closed() {
    auto lazy = sessions.get(1, dial);
    const auto ask = [](session& s) { return std::async([&s] { return s.closed(); }); };
#ifdef POOL_MISUSE_FIXED
    return lazy.invoke([&](session& s) { return ask(s).get(); });
#else
    return lazy.invoke(ask).get();
#endif
}
