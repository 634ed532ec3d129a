// SPDX-License-Identifier: BSL-1.0
// expect: pool: Key needs a std::hash
#include <cstddef>
#include <string>
#include <vector>

#include "parts.hpp"

using path = std::vector<std::string>;

#ifdef POOL_MISUSE_FIXED
template <>
struct pool::key_traits<path> {
    using view = const path&;
    static std::size_t hash(view key) { return key.size(); }
    static bool equal(view a, view b) { return a == b; }
};
#endif

pool::connection_pool<path, session> sessions;
