// SPDX-License-Identifier: BSL-1.0
// expect: pool: the describe of a key_traits<Key> must be static, and take a const Key& and return a std::string
#include <cstddef>
#include <string>
#include <string_view>

#include "parts.hpp"

struct account {
    std::string host;
    std::string password;
    friend bool operator==(const account&, const account&) = default;
};

template <>
struct pool::key_traits<account> {
    using view = const account&;
    static std::size_t hash(view key) { return std::hash<std::string>{}(key.host); }
    static bool equal(view a, view b) { return a == b; }
#ifdef POOL_MISUSE_FIXED
    static std::string describe(view key) { return key.host; }
#else
    static std::string_view describe(view key) { return key.host; }
#endif
};

pool::basic_pool<account, session> sessions;
auto lent = sessions.acquire(account{"db", "secret"}, [](const account&) { return session{}; });
