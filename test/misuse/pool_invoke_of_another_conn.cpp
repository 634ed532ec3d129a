// SPDX-License-Identifier: BSL-1.0
// expect: pool: the last argument of invoke must be a function that takes a Conn&
#include <chrono>

#include "parts.hpp"

pool::bounded_pool<pool::no_key, session> sessions{{}, [] { return session{}; }};

void call() {
#ifdef POOL_MISUSE_FIXED
    sessions.invoke(std::chrono::seconds{5}, [](session&) {});
#else
    sessions.invoke(std::chrono::seconds{5}, [](int&) {});
#endif
}
