// SPDX-License-Identifier: BSL-1.0
// expect: pool: Key needs an operator==
#include <string>

#include "parts.hpp"

struct endpoint {
    std::string host;
    int port;
#ifdef POOL_MISUSE_FIXED
    bool operator==(const endpoint&) const = default;
#endif
};

pool::basic_pool<endpoint, session> sessions;
