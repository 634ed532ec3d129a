// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

template <class T>
constexpr std::size_t size(T) {
    return sizeof(T);
}
