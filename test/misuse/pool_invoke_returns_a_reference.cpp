// SPDX-License-Identifier: BSL-1.0
// expect: pool: invoke must not return a reference
#include "parts.hpp"

pool::bounded_pool<int, session> sessions{{}, dial};

void call() {
#ifdef POOL_MISUSE_FIXED
    sessions.invoke(1, [](session& lent) { return lent; });
#else
    sessions.invoke(1, [](session& lent) -> session& { return lent; });
#endif
}
