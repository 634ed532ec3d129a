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
/// Where threads run, and that there is more than one.

namespace bench {

/// Rests. A process with one thread has cheaper locks (glibc skips their atomic instructions), and no user has that.
class parked_thread {
    std::mutex mutex_;
    std::condition_variable_any never_;
    std::jthread thread_{[this](const std::stop_token& stop) {
        std::unique_lock guard{mutex_};
        never_.wait(guard, stop, [] { return false; });
    }};
};

/// To one core of its own, counted from the last, because the first has the most interrupts.
inline void pin(int thread) {
    const auto cores = static_cast<int>(std::thread::hardware_concurrency());
    cpu_set_t chosen;
    CPU_ZERO(&chosen);
    CPU_SET(static_cast<std::size_t>((2 * cores - 1 - thread) % cores), &chosen);
    pthread_setaffinity_np(pthread_self(), sizeof chosen, &chosen);
}

}  // namespace bench
