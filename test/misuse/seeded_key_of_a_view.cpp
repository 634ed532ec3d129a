// SPDX-License-Identifier: BSL-1.0
// expect: pool: a Key must own its characters, as std::string does
#include <string>
#include <string_view>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
pool::basic_pool<pool::seeded_key<std::string>, session> sessions;
#else
pool::basic_pool<pool::seeded_key<std::string_view>, session> sessions;
#endif
const auto idle = sessions.try_acquire("a");
