// SPDX-License-Identifier: BSL-1.0
// expect: pool: a stream's invoke needs a function that takes the stream
#include "parts.hpp"

struct rows {
    bool done() noexcept { return true; }
};

pool::connection_pool<int, session> sessions;

void read() {
    auto stream = sessions.get(1, dial).open_stream([](session&) { return rows{}; });
#ifdef POOL_MISUSE_FIXED
    stream.invoke([](rows&) {});
#else
    stream.invoke([](session&) {});
#endif
}
