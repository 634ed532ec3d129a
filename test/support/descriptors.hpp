// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <iterator>

/// @file
/// What the process has open. Linux only.

namespace support {

/// How many descriptors the process has open, with the one that counts them.
inline std::size_t count_descriptors() {
    const std::filesystem::directory_iterator all{"/proc/self/fd"};
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace support
