// SPDX-License-Identifier: BSL-1.0
// expect: pool: the last argument of invoke must be a function that takes a Conn& or its lease
#include "parts.hpp"

pool::connection_pool<int, session> sessions{{}, dial};

// The call has the lease. It does not give it away.
#ifdef POOL_MISUSE_FIXED
using lease = decltype(sessions)::lease_type&;
#else
using lease = decltype(sessions)::lease_type;
#endif

void call() {
    sessions.invoke(1, [](lease lent) { lent.keep(); });
}
