// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <string>

#include <malloc.h>

#include <workloads.hpp>

/// @file
/// The memory of an idle entry.

namespace bench {

/// The bytes that malloc has handed out, and the eight bytes that malloc itself needs for each block.
inline std::size_t memory_in_use() noexcept {
    const auto all = mallinfo2();
    return all.uordblks + all.hblkhd;
}

/// The bytes of an idle entry, in the pool that `make()` returns, of `count` keys with ten entries each.
template <class Conn = connection, class Make>
double bytes_per_entry(const Make& make, std::size_t count) {
    constexpr std::size_t per_key = 10;
    const auto names = keys(count);
    const std::size_t before = memory_in_use();
    auto conns = make();
    for (std::size_t i = 0; i < per_key; ++i) {
        for (const std::string& each : names) conns.put(each, Conn{1});
    }
    return static_cast<double>(memory_in_use() - before) / static_cast<double>(count * per_key);
}

}  // namespace bench
