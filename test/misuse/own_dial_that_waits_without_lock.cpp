// SPDX-License-Identifier: BSL-1.0
// expect: pool: acquire and get may wait, and with this LockPolicy no thread could end the wait
#include <mutex>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using lock = std::mutex;
#else
using lock = pool::null_mutex;
#endif

pool::basic_pool<int, session, pool::bounded_open, pool::never, lock> sessions{{}, {}, {}, dial};
auto lent = sessions.acquire(1);
