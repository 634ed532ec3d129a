// SPDX-License-Identifier: BSL-1.0
// expect: pool: async_acquire needs a CapacityPolicy that bounds what is open, such as bounded_open
#include <pool/asio.hpp>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using capacity = pool::bounded_open;
#else
using capacity = pool::bounded;
#endif

const auto async_dial = [](int, auto handler) { handler(boost::system::error_code{}, session{}); };

void ask(pool::basic_pool<int, session, capacity>& sessions) {
    pool::asio::async_acquire(sessions, 1, async_dial, [](boost::system::error_code, auto) {});
}
