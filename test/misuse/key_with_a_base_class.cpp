// SPDX-License-Identifier: BSL-1.0
// expect: pool: an aggregate Key with a base class cannot be hashed field by field
#include <string>

#include "parts.hpp"

struct endpoint {
    std::string host;
    int port;
    bool operator==(const endpoint&) const = default;
};

#ifdef POOL_MISUSE_FIXED
struct tenant {
    endpoint where;
#else
struct tenant : endpoint {
#endif
    std::string name;
    bool operator==(const tenant&) const = default;
};

pool::basic_pool<tenant, session> sessions;
