// SPDX-License-Identifier: BSL-1.0
// expect: pool: a Key must own its characters, as std::string does
#include <string>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using text = std::string;
#else
using text = const std::string&;
#endif

struct endpoint {
    text host;
    int port;
    bool operator==(const endpoint& other) const { return host == other.host && port == other.port; }
};

pool::basic_pool<endpoint, session> sessions;
