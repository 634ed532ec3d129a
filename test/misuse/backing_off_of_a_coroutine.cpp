// SPDX-License-Identifier: BSL-1.0
// expect: pool: backing_off needs a dial that returns when it is over: a coroutine has only begun then
#include <coroutine>

#include <pool/dial/backing_off.hpp>

#include "parts.hpp"

/// A session that is still being opened.
struct opening {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    session await_resume() const { return {}; }
};

#ifdef POOL_MISUSE_FIXED
session open(int) { return {}; }
#else
opening open(int) { return {}; }
#endif

auto opened = pool::backing_off{open}(1);
