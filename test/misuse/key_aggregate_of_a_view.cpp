// SPDX-License-Identifier: BSL-1.0
// expect: pool: a Key must own its characters, as std::string does
#include <array>
#include <string>
#include <string_view>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using text = std::string;
#else
using text = std::string_view;
#endif

struct cluster {
    std::array<text, 2> hosts;
    int port;
    bool operator==(const cluster&) const = default;
};

pool::basic_pool<cluster, session> sessions;
