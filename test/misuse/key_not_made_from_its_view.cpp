// SPDX-License-Identifier: BSL-1.0
// expect: pool: Key must convert to the view of its key_traits<Key>, and be made from one
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "parts.hpp"

struct tenant {
    std::string name;
#ifdef POOL_MISUSE_FIXED
    explicit tenant(std::string_view called) : name{called} {}
    operator std::string_view() const noexcept { return name; }
#endif
};

template <>
struct pool::key_traits<tenant> {
    using view = std::string_view;
    static std::size_t hash(view name) { return std::hash<view>{}(name); }
    static bool equal(view a, view b) { return a == b; }
};

pool::connection_pool<tenant, session> sessions;
