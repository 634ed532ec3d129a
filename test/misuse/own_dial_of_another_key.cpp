// SPDX-License-Identifier: BSL-1.0
// expect: pool: dial must be callable as Conn(const Key&) or as Conn(const Key&, const dial_context&)
#include <string>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
session open(int) { return {}; }
#else
session open(const std::string&) { return {}; }
#endif

pool::bounded_pool<int, session> sessions{{.max_open = 16}, open};
