// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <atomic>
#include <thread>

#include <pool/core/platform.hpp>

/// @file
/// A mutex that looks again before it sleeps.

namespace pool::core {

/// The operations that an `adaptive_mutex` needs of the processor. Its tests replace them, and choose which thread
/// makes the next step.
struct spin_platform {
#if defined(__GLIBCXX__) && !defined(_GLIBCXX_HAVE_LINUX_FUTEX)
    /// Yields instead of sleeping. Without futexes, the `wait` of libstdc++ can miss a notification, and then sleeps
    /// for ever. That of g++ 12.2 for Windows does.
    struct atomic : std::atomic<unsigned> {
        using std::atomic<unsigned>::atomic;
        void wait(unsigned, std::memory_order) const noexcept { std::this_thread::yield(); }
        void notify_one() noexcept {}
        void notify_all() noexcept {}
    };
#else
    using atomic = std::atomic<unsigned>;  ///< its notify uses only its address, so the object may be gone by then
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
/// No thread starves. A thread that has slept twice without getting the lock reserves it. Threads that have slept less
/// often then do not get it. Has the size of an `unsigned`. `std::mutex` is as fast if there are more threads than
/// cores, and each keeps a connection for long.
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

    /// Releases it. After the release it uses only the address of this object, so the next owner may destroy it.
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
    // The state has two flags, the reservation, and a count of wake-ups in the highest bits. Each unlock that has to
    // wake a thread increments the count. So a thread sees that it was woken, even if another thread has taken the lock
    // meanwhile.
    static constexpr unsigned locked = 1;
    static constexpr unsigned asleep = 2;  ///< a thread may be asleep and has to be woken
    static constexpr unsigned one_sleep = 4;
    static constexpr unsigned reserved = 255 * one_sleep;  ///< reserved for so many sleeps; raised only while locked
    static constexpr unsigned flags = locked | asleep | reserved;
    static constexpr unsigned one_wake = flags + 1;

    static constexpr int looks = 4;         ///< looks before it sleeps
    static constexpr int first_pause = 32;  ///< instructions before the first look; twice as many before each other
    static constexpr unsigned patience = 2 * one_sleep;  ///< sleeps before it reserves the lock

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
                if (take(seen, locked | asleep)) return;  // other sleepers reserve it again when they are awake
                continue;
            }
            const unsigned reservation = slept < patience ? 0 : slept;
            const unsigned marked = (seen & ~reserved) | asleep | std::max(seen & reserved, reservation);
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
