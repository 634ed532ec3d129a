// SPDX-License-Identifier: BSL-1.0
// expect: pool: Key must be copyable
#include <memory>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using handle = std::shared_ptr<int>;
#else
using handle = std::unique_ptr<int>;
#endif

pool::basic_pool<handle, session> sessions;
