// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include <pool/testing/kernel/schedule.hpp>

/// @file
/// Says so when an exploration stands still.

namespace pool::testing::kernel {

/// Prints a message to the standard error, once, if nothing calls `note` for a long time: a thread of the test waits
/// for a lock that the exploration does not know, or never comes to a step. Nobody can stop that thread, so it goes on.
class watchdog {
public:
    explicit watchdog(std::chrono::nanoseconds patience)
        : patience_{patience},
          thread_{[this](const std::stop_token& stop) { watch(stop); }} {}
    watchdog(const watchdog&) = delete;
    watchdog& operator=(const watchdog&) = delete;
    ~watchdog() = default;

    /// Thread number `thread` is about to go on with this step. One thread calls it at a time.
    void note(int thread, const step& next) noexcept {
        thread_number_.store(thread, std::memory_order_relaxed);
        what_.store(next.what, std::memory_order_relaxed);
        number_.store(next.number, std::memory_order_relaxed);
        steps_.store(steps_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

    /// Returns when it has printed its message.
    void await() { thread_.join(); }

private:
    void watch(const std::stop_token& stop) {
        std::mutex mutex;
        std::condition_variable_any stopped;
        std::unique_lock guard{mutex};
        for (std::uint64_t seen = 0;;) {
            if (stopped.wait_for(guard, stop, patience_, [&] { return stop.stop_requested(); })) return;
            const std::uint64_t now = steps_.load(std::memory_order_acquire);
            if (now == seen) break;
            seen = now;
        }
        const step last{what_.load(std::memory_order_relaxed), number_.load(std::memory_order_relaxed)};
        const int thread = thread_number_.load(std::memory_order_relaxed);
        const std::string who = thread == 0 ? "the test" : "thread " + std::to_string(thread) + " of the test";
        std::fprintf(stderr,
            "pool: an exploration has made no step for %s. The last step: %s %s.\n"
            "Does it wait for something that the exploration does not know, such as a std::mutex that a stopped thread "
            "has? Or does it never end?\n",
            text_of(patience_).c_str(), who.c_str(), text_of(last).c_str());
    }

    const std::chrono::nanoseconds patience_;
    std::atomic<int> thread_number_ = 0;
    std::atomic<const char*> what_ = "begins";
    std::atomic<std::int64_t> number_ = 0;
    std::atomic<std::uint64_t> steps_ = 0;
    std::jthread thread_;
};

}  // namespace pool::testing::kernel
