// SPDX-License-Identifier: BSL-1.0
// expect: pool: an asynchronous dial must be callable as dial(const Key&, handler)
#include <pool/asio.hpp>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
const auto async_dial = [](int, auto handler) { handler(boost::system::error_code{}, session{}); };
#else
const auto async_dial = [](int) { return session{}; };
#endif

void ask(pool::basic_pool<int, session, pool::bounded_open>& sessions) {
    pool::asio::async_acquire(sessions, 1, async_dial, [](boost::system::error_code, auto) {});
}
