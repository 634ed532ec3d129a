// SPDX-License-Identifier: BSL-1.0
// expect: pool: Conn needs a member close(), or a connection_traits<Conn> with close(Conn&)
#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using conn = session;
#else
struct conn {};
#endif

pool::bounded_pool<int, conn> conns{{.max_open = 16, .acquire_timeout = std::chrono::seconds{5}}, [](int) { return conn{}; }};
