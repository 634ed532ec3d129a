// SPDX-License-Identifier: BSL-1.0
// expect: pool: a stream needs a member bool done() noexcept
#include "parts.hpp"

struct rows {
#ifdef POOL_MISUSE_FIXED
    bool done() noexcept { return true; }
#endif
};

pool::connection_pool<int, session> sessions;
auto stream = sessions.get(1, dial).open_stream([](session&) { return rows{}; });
