// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <atomic>
#include <thread>

#include <pool/core/platform.hpp>

/// @file
/// A mutex that looks again before it sleeps.

namespace pool::core {

/// The processor that an `adaptive_mutex` runs on. Its tests bring one of their own, which chooses the thread that
/// makes the next step.
struct spin_platform {
#if defined(__GLIBCXX__) && !defined(_GLIBCXX_HAVE_LINUX_FUTEX)
    /// Yields where it should sleep. Without futexes, the `wait` of libstdc++ can miss a notification and then sleeps for ever:
    /// that of g++ 12.2 for Windows does.
    struct atomic : std::atomic<unsigned> {
        using std::atomic<unsigned>::atomic;
        void wait(unsigned, std::memory_order) const noexcept { std::this_thread::yield(); }
        void notify_one() noexcept {}
        void notify_all() noexcept {}
    };
#else
    using atomic = std::atomic<unsigned>;  ///< its notify uses nothing of it but its address
#endif

    /// Waits for some nanoseconds.
    static void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("isb");
#endif
    }
};

/// A lock for short steps on several cores. A thread that finds it taken looks again four times, at growing intervals,
/// for about the time that falling asleep and waking up would take (480 pause instructions: 5 to 20 microseconds). Only
/// then does it sleep. Waiting longer between two looks lets the other thread finish several steps, with all that it
/// needs in its cache.
///
/// Nobody starves: a thread that has slept twice in vain reserves the lock, and threads that have slept less often do
/// not get it then. Has the size of an `unsigned`. Where there are more threads than cores, and each holds a connection
/// for long, `std::mutex` does as well.
template <class Platform = spin_platform>
class basic_adaptive_mutex {
public:
    basic_adaptive_mutex() = default;
    basic_adaptive_mutex(const basic_adaptive_mutex&) = delete;
    basic_adaptive_mutex& operator=(const basic_adaptive_mutex&) = delete;

    /// Blocks until this thread has it.
    void lock() noexcept {
        if (!try_lock()) [[unlikely]] wait();
    }

    /// Takes it if it is free and not reserved. Returns whether it did.
    bool try_lock() noexcept {
        unsigned seen = state_.load(std::memory_order_relaxed);
        return (seen & flags) == 0 && take(seen, locked);
    }

    /// Releases it. After that it uses nothing of this object but its address, so the next owner may destroy it.
    void unlock() noexcept {
        unsigned seen = state_.load(std::memory_order_relaxed);
        unsigned next = 0;
        do {
            next = (seen & flags) == locked ? seen - locked : (seen & reserved) | ((seen & ~flags) + one_wake);
        } while (!state_.compare_exchange_weak(seen, next, std::memory_order_release, std::memory_order_relaxed));
        if ((seen & reserved) != 0) [[unlikely]] state_.notify_all();
        else if ((seen & asleep) != 0) [[unlikely]] state_.notify_one();
    }

private:
    // The state: two flags, the reservation, and above them a count of wake-ups. Each unlock that has to wake a thread
    // counts one, so that the thread sees that it was woken even if the lock has been taken again.
    static constexpr unsigned locked = 1;
    static constexpr unsigned asleep = 2;  ///< a thread may be asleep and has to be woken
    static constexpr unsigned one_sleep = 4;
    static constexpr unsigned reserved = 255 * one_sleep;  ///< for who has slept so often; raised only while locked
    static constexpr unsigned flags = locked | asleep | reserved;
    static constexpr unsigned one_wake = flags + 1;

    static constexpr int looks = 4;         ///< before it sleeps
    static constexpr int first_pause = 32;  ///< instructions before the first look; twice as many before each other
    static constexpr unsigned patience = 2 * one_sleep;  ///< before it reserves

    bool take(unsigned& seen, unsigned as) noexcept {
        return state_.compare_exchange_strong(
            seen, (seen & ~flags) | as, std::memory_order_acquire, std::memory_order_relaxed);
    }

    void wait() noexcept {
        for (int i = 0; i < looks; ++i) {
            for (int n = first_pause << i; n != 0; --n) Platform::pause();
            if (try_lock()) return;
        }
        unsigned seen = state_.load(std::memory_order_relaxed);
        for (unsigned slept = 0;;) {
            if ((seen & locked) == 0 && slept >= (seen & reserved)) {
                if (take(seen, locked | asleep)) return;  // other sleepers reserve it anew once they are awake
                continue;
            }
            const unsigned wanted = slept < patience ? 0 : slept;
            const unsigned marked = (seen & ~reserved) | asleep | std::max(seen & reserved, wanted);
            if (seen == marked || state_.compare_exchange_strong(seen, marked, std::memory_order_relaxed)) {
                state_.wait(marked, std::memory_order_relaxed);
                seen = state_.load(std::memory_order_relaxed);
                slept = std::min(slept + one_sleep, reserved);
            }
        }
    }

    typename Platform::atomic state_{0};
};

}  // namespace pool::core
