// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <set>
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

    /// A name, which lives as long as this object.
    const std::string& keep(const std::string& name) { return *names_.insert(name).first; }

    /// A thread of this name goes on with this step. One thread calls it at a time.
    void note(const char* name, const step& next) noexcept {
        name_.store(name, std::memory_order_relaxed);
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
        constexpr int looks = 10;  // in the time of its patience
        std::uint64_t seen = 0;
        for (int since = 0; since != looks; ++since) {
            if (stopped.wait_for(guard, stop, patience_ / looks, [&] { return stop.stop_requested(); })) return;
            const std::uint64_t now = steps_.load(std::memory_order_acquire);
            if (now != seen) since = -1;
            seen = now;
        }
        const step last{what_.load(std::memory_order_relaxed), number_.load(std::memory_order_relaxed)};
        std::fprintf(stderr,
            "pool: an exploration stands still: for %s, %s has not come to another point. The last one was: %s.\n"
            "Does it wait for something that the exploration does not know, such as a std::mutex that a stopped thread "
            "has? Or does it never end? Nobody ends it.\n",
            text_of(patience_).c_str(), name_.load(std::memory_order_relaxed), text_of(last).c_str());
    }

    const std::chrono::nanoseconds patience_;
    std::set<std::string> names_;
    std::atomic<const char*> name_ = "the test";
    std::atomic<const char*> what_ = "begins";
    std::atomic<std::int64_t> number_ = 0;
    std::atomic<std::uint64_t> steps_ = 0;
    std::jthread thread_;
};

}  // namespace pool::testing::kernel
