// SPDX-License-Identifier: BSL-1.0
// expect: pool: a stream needs a member bool done() noexcept, or a stream_traits with done(Stream&)
#include <chrono>

#include "parts.hpp"

struct rows {
#ifdef POOL_MISUSE_FIXED
    bool done() noexcept { return true; }
#endif
};

pool::bounded_pool<int, session> sessions;

void call() {
    auto lazy = sessions.get(1, dial);
    (void)lazy.open_stream(std::chrono::seconds{5}, [](session&) { return rows{}; });
}
