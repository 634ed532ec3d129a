// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <mutex>
#include <string>

#include <pool/basic_pool.hpp>

#include <support/fake.hpp>

/// @file
/// Pools whose keys allocate.

namespace allocations {

/// Too long for the buffer within a `std::string`: building one allocates.
inline std::string long_key(int number) { return "a-host-with-a-long-name.example.org:" + std::to_string(number); }

template <class Expiry>
using pool_of =
    pool::basic_pool<std::string, fake::connection, pool::unlimited, Expiry, std::mutex, pool::manual_clock>;

/// Connections live longer than any test.
template <class Expiry>
Expiry long_lived() {
    if constexpr (Expiry::can_expire) return std::chrono::hours{1};
    else return {};
}

}  // namespace allocations
