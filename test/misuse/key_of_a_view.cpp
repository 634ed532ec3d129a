// SPDX-License-Identifier: BSL-1.0
// expect: pool: a Key must own its characters, as std::string does
#include <string>
#include <string_view>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using host = std::string;
#else
using host = std::string_view;
#endif

pool::connection_pool<host, session> sessions;
