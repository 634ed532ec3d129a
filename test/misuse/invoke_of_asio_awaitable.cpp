// SPDX-License-Identifier: BSL-1.0
// expect: pool: invoke gives the connection back when the function returns, and a future or a coroutine runs later. Take pool::asio::async_invoke for a coroutine of Asio, or keep a lease until the work is done
#include <utility>  // Boost 1.74 forgets it in the next one

#include <boost/asio/awaitable.hpp>
#include <pool/asio.hpp>

#include "parts.hpp"

pool::connection_pool<int, session> sessions;

// Where the compiler has no coroutines, Asio has no awaitable. Then this says what it would be.
#ifdef BOOST_ASIO_HAS_CO_AWAIT
using result = boost::asio::awaitable<bool>;
#else
struct result {
    bool await_ready();
};
#endif

result ask(session& s);

void use() {
    auto lazy = sessions.get(1, dial);
#if defined(POOL_MISUSE_FIXED) && defined(BOOST_ASIO_HAS_CO_AWAIT)
    const auto async_dial = [](int, auto handler) { handler(boost::system::error_code{}, session{}); };
    pool::asio::async_invoke(sessions, 1, async_dial, ask, [](std::exception_ptr, bool) {});
#elif !defined(POOL_MISUSE_FIXED)
    (void)lazy.invoke(ask);
#endif
}
