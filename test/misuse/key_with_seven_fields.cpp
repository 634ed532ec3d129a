// SPDX-License-Identifier: BSL-1.0
// expect: pool: an aggregate Key is hashed field by field, and may have one to six fields
#include "parts.hpp"

struct endpoint {
    int a, b, c, d, e, f;
#ifndef POOL_MISUSE_FIXED
    int g;
#endif
    bool operator==(const endpoint&) const = default;
};

pool::basic_pool<endpoint, session> sessions;
const auto idle = sessions.try_acquire({});
