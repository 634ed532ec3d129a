// SPDX-License-Identifier: BSL-1.0
// expect: pool: invoke must not return a reference: the connection is with the pool again by then
#include <memory>

#include "parts.hpp"

pool::connection_pool<int, std::unique_ptr<session>> sessions;

bool closed() {
    auto lazy = sessions.get(1, [](int) { return std::make_unique<session>(); });
#ifdef POOL_MISUSE_FIXED
    return lazy.invoke([](std::unique_ptr<session>& s) { return s->closed(); });
#else
    return lazy.invoke([](std::unique_ptr<session>& s) { return s.get(); })->closed();
#endif
}
