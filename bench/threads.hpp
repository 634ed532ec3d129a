// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <stop_token>
#include <thread>

#include <pthread.h>
#include <sched.h>

/// @file
/// Pins threads to cores, and makes sure that there is more than one thread.

namespace bench {

/// A thread that only waits. In a process with one thread, locks are cheaper than in a user's program: glibc skips
/// their atomic instructions. So a benchmark has this second thread.
class parked_thread {
    std::mutex mutex_;
    std::condition_variable_any never_;
    std::jthread thread_{[this](const std::stop_token& stop) {
        std::unique_lock guard{mutex_};
        never_.wait(guard, stop, [] { return false; });
    }};
};

/// Pins the calling thread to a core of its own. Cores are counted from the last, because the first has the most
/// interrupts.
inline void pin(int thread) {
    const auto cores = static_cast<int>(std::thread::hardware_concurrency());
    cpu_set_t chosen;
    CPU_ZERO(&chosen);
    CPU_SET(static_cast<std::size_t>((2 * cores - 1 - thread) % cores), &chosen);
    pthread_setaffinity_np(pthread_self(), sizeof chosen, &chosen);
}

}  // namespace bench
