// SPDX-License-Identifier: BSL-1.0
// expect: pool: a Key must own its characters, as std::string does
#include <string>
#include <string_view>
#include <utility>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using text = std::string;
#else
using text = std::string_view;
#endif

pool::basic_pool<std::pair<text, int>, session> sessions;
