// SPDX-License-Identifier: BSL-1.0
// expect: pool: backing_off and timed are for blocking dials: async_acquire and async_invoke take neither
#include <pool/asio.hpp>
#include <pool/dial/backing_off.hpp>

#include "parts.hpp"

const auto async_dial = [](int, auto handler) { handler(boost::system::error_code{}, session{}); };

void use(pool::connection_pool<int, session>& sessions) {
#ifdef POOL_MISUSE_FIXED
    pool::asio::async_acquire(sessions, 1, async_dial, [](boost::system::error_code, auto) {});
#else
    pool::asio::async_acquire(sessions, 1, pool::backing_off{async_dial}, [](boost::system::error_code, auto) {});
#endif
}
