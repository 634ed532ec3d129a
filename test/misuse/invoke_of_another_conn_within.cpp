// SPDX-License-Identifier: BSL-1.0
// expect: pool: invoke needs a function that takes a Conn& or its lease, or the arguments of Conn's own invoke
#include <chrono>

#include "parts.hpp"

pool::connection_pool<int, session> sessions;

void call() {
    auto lazy = sessions.get(1, dial);
#ifdef POOL_MISUSE_FIXED
    lazy.invoke(std::chrono::seconds{5}, [](session&) {});
#else
    lazy.invoke(std::chrono::seconds{5}, [](int&) {});
#endif
}
