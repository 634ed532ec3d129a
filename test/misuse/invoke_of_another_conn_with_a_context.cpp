// SPDX-License-Identifier: BSL-1.0
// expect: pool: invoke needs a function that takes a Conn& or its lease, or the arguments of Conn's own invoke
#include "parts.hpp"

pool::connection_pool<int, session> sessions;

void call(const pool::dial_context& limits) {
    auto lazy = sessions.get(1, dial);
#ifdef POOL_MISUSE_FIXED
    lazy.invoke(limits, [](session&) {});
#else
    lazy.invoke(limits, [](int&) {});
#endif
}
