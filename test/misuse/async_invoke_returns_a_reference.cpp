// SPDX-License-Identifier: BSL-1.0
// expect: pool: async_invoke must not return a reference: the connection is with the pool again by then
#include <exception>

#include <pool/asio.hpp>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
const auto call = [](session&) { return 1; };
#else
const auto call = [](session& s) -> decltype(auto) { return (s); };
#endif

const auto async_dial = [](int, auto handler) { handler(boost::system::error_code{}, session{}); };

void ask(pool::basic_pool<int, session>& sessions) {
#ifdef BOOST_ASIO_HAS_CO_AWAIT
    pool::asio::async_invoke(sessions, 1, async_dial, call, [](std::exception_ptr, auto) {});
#else  // without coroutines there is no async_invoke
    pool::core::check_async_call<decltype(call), session>();
#endif
}
