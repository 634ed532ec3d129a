// SPDX-License-Identifier: BSL-1.0
// expect: pool: a deadline must be a time of the pool's clock
#include <chrono>

#include <pool/asio.hpp>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
const auto deadline = std::chrono::steady_clock::now();
#else
const auto deadline = std::chrono::system_clock::now();
#endif

const auto async_dial = [](int, auto handler) { handler(boost::system::error_code{}, session{}); };

void ask(pool::basic_pool<int, session>& sessions) {
    pool::asio::async_acquire(sessions, 1, async_dial, deadline, [](boost::system::error_code, auto) {});
}
