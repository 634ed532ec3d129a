// SPDX-License-Identifier: BSL-1.0
// expect: pool: a field of Key has no std::hash
#include <string>
#include <vector>

#include "parts.hpp"

struct shard {
    int number;
#ifdef POOL_MISUSE_FIXED
    std::string replicas;
#else
    std::vector<int> replicas;
#endif
    bool operator==(const shard&) const = default;
};

pool::basic_pool<shard, session> sessions;
const auto idle = sessions.try_acquire({});
