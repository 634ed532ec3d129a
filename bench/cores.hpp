// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <thread>

#include <pthread.h>
#include <sched.h>

/// @file
/// Which core a thread runs on.

namespace bench {

/// Pins this thread to a core of its own, counted from the last, because the first has the most interrupts.
inline void pin(int thread) {
    const auto cores = static_cast<int>(std::thread::hardware_concurrency());
    cpu_set_t chosen;
    CPU_ZERO(&chosen);
    CPU_SET(static_cast<std::size_t>((2 * cores - 1 - thread) % cores), &chosen);
    pthread_setaffinity_np(pthread_self(), sizeof chosen, &chosen);
}

}  // namespace bench
