// SPDX-License-Identifier: BSL-1.0
// expect: pool: dial must be callable as Conn(const Key&) or as Conn(const Key&, const dial_context&)
#include <optional>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
session open(int, const pool::dial_context&) { return {}; }
#else
std::optional<session> open(int, const pool::dial_context&) { return {}; }
#endif

pool::connection_pool<int, session> sessions;
auto lazy = sessions.get(1, open);
