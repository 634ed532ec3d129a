// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/shared.hpp>
#include <pool/sharded_pool.hpp>

inline constexpr shared with_asio = {};
