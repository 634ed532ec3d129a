// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <atomic>
#include <concepts>
#include <condition_variable>
#include <mutex>  // std::mutex is the default model

/// @file
/// What guards a pool. Any BasicLockable will do; the pool holds it for one short step at a time, never recursively,
/// and never while it closes or dials.

namespace pool {

/// A model of LockPolicy: default-constructible, with `lock()` and `unlock()`, which must not throw. The thread that has
/// acquired it last may destroy it once it has unlocked it, even while an earlier `unlock()` is still returning in another
/// thread: POSIX asks that of its mutexes, and so `std::mutex` has it.
template <class Lock>
concept lock_policy = std::default_initializable<Lock> && requires(Lock& lock) {
    lock.lock();
    lock.unlock();
};

/// No lock: for a pool that one thread uses. Takes no space.
struct null_mutex {
    static constexpr void lock() noexcept {}    ///< does nothing
    static constexpr void unlock() noexcept {}  ///< does nothing
};

/// What an `adaptive_mutex` runs on. Its tests have one of their own, which chooses who does the next step.
struct processor {
    using atomic = std::atomic<unsigned>;  ///< to notify, it uses nothing of itself but its address

    /// Waits for some nanoseconds.
    static void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("isb");
#endif
    }
};

/// A lock for short steps on several cores: who finds it taken looks again four times, ever more rarely, within about the
/// time that it would take to fall asleep and be woken (480 pause instructions: 5 to 20 microseconds), and only then sleeps.
/// That the looks are rare lets the other thread do several steps in between, with all that it needs in its cache.
///
/// Nobody starves: a thread that has slept twice in vain reserves the lock, which then goes to nobody who has slept less
/// often. Has the size of an `unsigned`. Where there are more threads than cores, and each holds a connection for long,
/// `std::mutex` does as well.
template <class Processor = processor>
class basic_adaptive_mutex {
public:
    basic_adaptive_mutex() = default;
    basic_adaptive_mutex(const basic_adaptive_mutex&) = delete;
    basic_adaptive_mutex& operator=(const basic_adaptive_mutex&) = delete;

    /// Blocks until it is this thread's.
    void lock() noexcept {
        if (!try_lock()) [[unlikely]] wait();
    }

    /// Whether it was free, and is this thread's now. Fails while it is reserved.
    bool try_lock() noexcept {
        unsigned seen = state_.load(std::memory_order_relaxed);
        return (seen & flags) == 0 && take(seen, locked);
    }

    /// Lets it go. Touches nothing of this object after that but its address, so whoever gets the lock may destroy it.
    void unlock() noexcept {
        unsigned seen = state_.load(std::memory_order_relaxed);
        unsigned next = 0;
        do {
            next = (seen & flags) == locked ? seen - locked : (seen & reserved) | ((seen & ~flags) + turn);
        } while (!state_.compare_exchange_weak(seen, next, std::memory_order_release, std::memory_order_relaxed));
        if ((seen & reserved) != 0) [[unlikely]] state_.notify_all();
        else if ((seen & asleep) != 0) [[unlikely]] state_.notify_one();
    }

private:
    // The state: two flags, the reservation, and above them the turns, of which each unlock that has to wake somebody is
    // one, so that who wakes up sees that it was woken, even if the lock has been taken again.
    static constexpr unsigned locked = 1;
    static constexpr unsigned asleep = 2;  ///< somebody may be asleep, who has to be woken
    static constexpr unsigned one_sleep = 4;
    static constexpr unsigned reserved = 255 * one_sleep;  ///< for who has slept so often; raised only while it is locked
    static constexpr unsigned flags = locked | asleep | reserved;
    static constexpr unsigned turn = flags + 1;

    static constexpr int looks = 4;         ///< before it sleeps
    static constexpr int first_pause = 32;  ///< instructions before the first look; twice as many before each other
    static constexpr unsigned patience = 2 * one_sleep;  ///< before it reserves

    bool take(unsigned& seen, unsigned as) noexcept {
        return state_.compare_exchange_strong(
            seen, (seen & ~flags) | as, std::memory_order_acquire, std::memory_order_relaxed);
    }

    void wait() noexcept {
        for (int i = 0; i < looks; ++i) {
            for (int n = first_pause << i; n != 0; --n) Processor::pause();
            if (try_lock()) return;
        }
        unsigned seen = state_.load(std::memory_order_relaxed);
        for (unsigned slept = 0;;) {
            if ((seen & locked) == 0 && slept >= (seen & reserved)) {
                if (take(seen, locked | asleep)) return;  // others may be asleep still, and reserve it anew once awake
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

    typename Processor::atomic state_{0};
};

/// The one to use.
using adaptive_mutex = basic_adaptive_mutex<>;

/// What threads wait with that hold a lock of any type. As `std::condition_variable_any`, but notified only by who holds the
/// lock, and so without its allocation.
template <class Lock>
class condition_variable_of {
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

    /// Wakes one that waits.
    void notify_one() noexcept {
        const std::lock_guard own{mutex_};
        woken_.notify_one();
    }

private:
    template <class Wait>
    void wait(std::unique_lock<Lock>& guard, const Wait& wait) {
        {
            std::unique_lock own{mutex_};  // before the other is unlocked, or a notification could be missed
            guard.unlock();
            wait(own);
        }
        guard.lock();
    }

    std::mutex mutex_;
    std::condition_variable woken_;
};

/// What threads wait with that hold a `Lock`. The member `condition_variable` is used like `std::condition_variable`, with
/// a `std::unique_lock<Lock>`, and notified by who holds the lock. Without one, no thread can wait.
template <class Lock>
struct lock_traits {
    using condition_variable = condition_variable_of<Lock>;  ///< works with any lock
};

/// The one that is made for it.
template <>
struct lock_traits<std::mutex> {
    using condition_variable = std::condition_variable;  ///< made for it
};

/// Nobody could wake the only thread there is.
template <>
struct lock_traits<null_mutex> {};

/// A lock that threads can wait with.
template <class Lock>
concept waiting_lock = requires { typename lock_traits<Lock>::condition_variable; };

}  // namespace pool
