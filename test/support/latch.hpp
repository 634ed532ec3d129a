// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

/// A `std::latch` that is made of a condition variable. The standard library of g++ 12 for Windows loses notifications
/// of its own, and threads then wait for ever.
class latch {
public:
    explicit latch(std::ptrdiff_t expected) : expected_{expected} {}

    void count_down() {
        const std::lock_guard guard{mutex_};
        if (--expected_ == 0) reached_.notify_all();
    }

    void wait() {
        std::unique_lock guard{mutex_};
        reached_.wait(guard, [this] { return expected_ == 0; });
    }

    void arrive_and_wait() {
        count_down();
        wait();
    }

private:
    std::mutex mutex_;
    std::condition_variable reached_;
    std::ptrdiff_t expected_;
};
