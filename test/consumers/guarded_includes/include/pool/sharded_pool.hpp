// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

#include <pool/core/shared.hpp>

inline constexpr std::int32_t twice(std::int32_t number) { return 2 * number; }
