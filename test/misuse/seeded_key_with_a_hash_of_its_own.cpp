// SPDX-License-Identifier: BSL-1.0
// expect: pool: a Key with a seeded hash may consist of text, integers, enums and aggregates of these
#include <cstddef>
#include <functional>
#include <string>

#include "parts.hpp"

struct account {
    int number;
    std::string note;  // makes no difference
    bool operator==(const account& other) const { return number == other.number; }
};

#ifndef POOL_MISUSE_FIXED
template <>
struct std::hash<account> {
    std::size_t operator()(const account& of) const noexcept { return std::hash<int>{}(of.number); }
};
#endif

template <>
struct pool::key_traits<account> : pool::seeded_key_traits<account> {};

pool::connection_pool<account, session> sessions;
