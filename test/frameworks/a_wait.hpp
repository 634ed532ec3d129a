// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <mutex>

#include <pool/testing.hpp>

/// @file
/// A class with a mistake, and one without, explored. Each framework reports what was found in its own way.

/// Waits until the other thread has set a flag. If it looks before it waits without the lock in between, it waits for ever.
template <bool is_right>
pool::testing::findings explore_a_wait() {
    return pool::testing::explore([](pool::testing::exploration& test) {
        pool::testing::scheduled_lock lock;
        pool::testing::scheduled_condition changed;
        bool is_ready = false;
        const auto wait = [&] {
            std::unique_lock guard{lock};
            if (is_right) return changed.wait(guard, [&] { return is_ready; });
            const bool seen = is_ready;
            guard.unlock();
            guard.lock();
            if (!seen) changed.wait(guard);
        };
        const auto set = [&] {
            const std::lock_guard guard{lock};
            is_ready = true;
            changed.notify_one();
        };
        test.run({{"waiting", wait}, {"setting", set}});
    });
}
