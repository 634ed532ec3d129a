// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <condition_variable>
#include <mutex>

#include <pool/core/platform.hpp>

/// @file
/// A condition variable for locks of any type.

namespace pool::core {

/// Like `std::condition_variable_any`, but only a thread that holds the lock may notify it. So it does not allocate.
template <class Lock>
class condition_variable_for {
public:
    /// Unlocks `guard`, waits until notified, and locks it again; may return early.
    void wait(std::unique_lock<Lock>& guard) {
        wait(guard, [this](std::unique_lock<std::mutex>& own) { woken_.wait(own); });
    }

    /// The same, for no longer than `time`.
    template <class Duration>
    void wait_for(std::unique_lock<Lock>& guard, Duration time) {
        wait(guard, [&](std::unique_lock<std::mutex>& own) { woken_.wait_for(own, time); });
    }

    /// Wakes one waiting thread.
    void notify_one() noexcept {
        const std::lock_guard own{mutex_};
        woken_.notify_one();
    }

private:
    template <class Wait>
    void wait(std::unique_lock<Lock>& guard, const Wait& wait) {
        {
            std::unique_lock own{mutex_};  // before `guard` is unlocked, or a notification could get lost
            guard.unlock();
            wait(own);
        }
        guard.lock();
    }

    std::mutex mutex_;
    std::condition_variable woken_;
};

}  // namespace pool::core
