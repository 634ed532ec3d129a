// SPDX-License-Identifier: BSL-1.0
// expect: pool: invoke gives the connection back when the function returns, and a future or a coroutine runs later
#include <utility>  // Boost 1.74 forgets it in the next one

#include <boost/asio/awaitable.hpp>

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
#ifdef POOL_MISUSE_FIXED
    (void)ask(*sessions.acquire(1, dial));
#else
    (void)lazy.invoke(ask);
#endif
}
