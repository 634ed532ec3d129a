// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/include_path.hpp>
#ifdef CONDITION
#include <cstdint>

#include <pool/core/shared.hpp>
inline constexpr std::int32_t sometimes = size(shared{}) == 8 ? 1 : 0;
#else
inline constexpr int sometimes = 2;
#endif
