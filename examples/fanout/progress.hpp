// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string_view>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

/// @file
/// A progress bar on standard error that shows how much is done. Its destructor wipes it. It is drawn only on a terminal.

namespace fanout {

class progress_bar {
public:
    /// Asks `done` in a thread of its own, up to its end.
    progress_bar(std::string_view title, std::function<std::uint64_t()> done, std::uint64_t total) {
        if (::isatty(STDERR_FILENO) == 0) return;
        painter_ = std::jthread{[title, done = std::move(done), total](const std::stop_token& stop) {
            std::mutex mutex;
            std::condition_variable_any woken;
            std::unique_lock lock{mutex};
            while (!stop.stop_requested()) {
                const std::uint64_t part = std::min(done(), total);
                fmt::print(stderr, "\r{:<9} [{:-<40}] {:3} %", title, fmt::format("{:#>{}}", "", part * 40 / total),
                    part * 100 / total);
                woken.wait_for(lock, stop, std::chrono::milliseconds{100}, [] { return false; });
            }
            fmt::print(stderr, "\r\x1b[K");
        }};
    }

private:
    std::jthread painter_;
};

}  // namespace fanout
