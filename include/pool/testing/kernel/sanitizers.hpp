// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <thread>

/// @file
/// What the sanitizers have to be told about stacks, about locks that they do not know, and about the kit's own code.
///
/// Their functions are weak: a program that is not built with a sanitizer does not have them, and their addresses are
/// null there.

#if defined(__unix__)
extern "C" {
[[gnu::weak]] void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom, std::size_t size);
[[gnu::weak]] void __sanitizer_finish_switch_fiber(void* fake_stack, const void** old_bottom, std::size_t* old_size);
[[gnu::weak]] void __asan_unpoison_memory_region(void const volatile* begin, std::size_t size);
[[gnu::weak]] void __lsan_register_root_region(const void* begin, std::size_t size);
[[gnu::weak]] void __lsan_unregister_root_region(const void* begin, std::size_t size);
[[gnu::weak]] void __lsan_ignore_object(const void* object);
[[gnu::weak]] void* __tsan_get_current_fiber();
[[gnu::weak]] void* __tsan_create_fiber(unsigned flags);
[[gnu::weak]] void __tsan_destroy_fiber(void* fiber);
[[gnu::weak]] void __tsan_switch_to_fiber(void* fiber, unsigned flags);
[[gnu::weak]] void __tsan_acquire(void* address);
[[gnu::weak]] void __tsan_release(void* address);
[[gnu::weak]] void AnnotateIgnoreReadsBegin(const char* file, int line);
[[gnu::weak]] void AnnotateIgnoreReadsEnd(const char* file, int line);
[[gnu::weak]] void AnnotateIgnoreWritesBegin(const char* file, int line);
[[gnu::weak]] void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace pool::testing {
class failure_plan;
}

namespace pool::testing::kernel {

#if defined(__unix__)

/// While one exists, the thread sanitizer does not look: the kernel's data are touched by one thread at a time, which
/// it cannot know.
class unsanitized {
public:
    unsanitized() noexcept {
        if (AnnotateIgnoreReadsBegin == nullptr) return;
        AnnotateIgnoreReadsBegin(nullptr, 0);
        AnnotateIgnoreWritesBegin(nullptr, 0);
    }
    unsanitized(const unsanitized&) = delete;
    unsanitized& operator=(const unsanitized&) = delete;
    ~unsanitized() { end(); }

    /// Where a stack is left for good, so that the destructor of its last one is not called.
    static void end() noexcept {
        if (AnnotateIgnoreReadsBegin == nullptr) return;
        AnnotateIgnoreWritesEnd(nullptr, 0);
        AnnotateIgnoreReadsEnd(nullptr, 0);
    }
};

/// A stack, as the sanitizers see it: the address and leak sanitizers its memory, the thread sanitizer its fiber.
class watched_stack {
public:
    /// The stack of the calling thread.
    watched_stack() noexcept : fiber_{__tsan_get_current_fiber != nullptr ? __tsan_get_current_fiber() : nullptr} {}

    /// A stack that somebody has made. What it refers to is not leaked.
    watched_stack(void* bottom, std::size_t size) noexcept
        : bottom_{bottom},
          size_{size},
          fiber_{__tsan_create_fiber != nullptr ? __tsan_create_fiber(0) : nullptr} {
        if (__lsan_register_root_region != nullptr) __lsan_register_root_region(bottom, size);
    }

    /// Before its memory is freed, when another stack is in use. The thread sanitizer has room for 8,000 fibers.
    void forget() noexcept {
        if (__tsan_destroy_fiber != nullptr) __tsan_destroy_fiber(fiber_);
        if (__lsan_unregister_root_region != nullptr) __lsan_unregister_root_region(bottom_, size_);
        if (__asan_unpoison_memory_region != nullptr) __asan_unpoison_memory_region(bottom_, size_);
    }

    /// It will never be switched to again, and what it refers to is not leaked. The thread sanitizer keeps its fiber. With the check for use after return,
    /// the address sanitizer has put variables into a stack of its own, of eleven parts as large as this one.
    void abandon() noexcept {
        if (__lsan_register_root_region != nullptr && fake_stack_ != nullptr) {
            __lsan_register_root_region(fake_stack_, 12 * size_);
        }
    }

    /// Before the switch from this stack to another one. The last switch frees what the address sanitizer has for it.
    /// Inlined, also where nothing is optimised: the thread sanitizer notes the end of a function for the stack that it
    /// believes to be in use, and there must be none between this and the switch.
    [[gnu::always_inline]] void leave_for(const watched_stack& other, bool is_last) noexcept {
        if (__sanitizer_start_switch_fiber != nullptr) {
            __sanitizer_start_switch_fiber(is_last ? nullptr : &fake_stack_, other.bottom_, other.size_);
        }
        if (__tsan_switch_to_fiber == nullptr) return;
        void* const to = other.fiber_;
        if (is_last) unsanitized::end();
        constexpr unsigned without_synchronisation = 1;
        __tsan_switch_to_fiber(to, without_synchronisation);
    }

    /// After the switch to this stack. `last` is the one that was left. The bounds of a thread's own are known from
    /// then on.
    void arrive_from(watched_stack& last) noexcept {
        if (__sanitizer_finish_switch_fiber == nullptr) return;
        const void* bottom = nullptr;
        std::size_t size = 0;
        __sanitizer_finish_switch_fiber(fake_stack_, &bottom, &size);
        last.bottom_ = bottom;
        last.size_ = size;
    }

private:
    const void* bottom_ = nullptr;
    std::size_t size_ = 0;
    void* fake_stack_ = nullptr;
    void* fiber_ = nullptr;
};

/// What the calling thread does before is seen by a thread that acquires the same object later.
inline void release(void* object) noexcept {
    if (__tsan_release != nullptr) __tsan_release(object);
}

/// The counterpart of `release`.
inline void acquire(void* object) noexcept {
    if (__tsan_acquire != nullptr) __tsan_acquire(object);
}

/// Until a program has started a thread, libstdc++ counts references without atomic operations, and the thread
/// sanitizer would take two fibers that do so for a race.
inline void start_a_thread() {
    if (__tsan_release != nullptr) std::thread{[] {}}.join();
}

/// What leaks on purpose.
inline void leak(const void* object) noexcept {
    if (__lsan_ignore_object != nullptr) __lsan_ignore_object(object);
}

#else

inline void release(void*) noexcept {}
inline void acquire(void*) noexcept {}
inline void start_a_thread() noexcept {}
inline void leak(const void*) noexcept {}
class unsanitized {
public:
    unsanitized() noexcept {}
};

#endif

/// What decides whether a failure point of a thread counts. A logical thread has one of its own: who switches between
/// two of them in one real thread exchanges it.
struct failure_state {
    failure_plan* plan = nullptr;  ///< the one that the thread follows, if any
    int own_code = 0;              ///< how many `unwatched` it has
};

/// That of the calling thread. It is touched under `unsanitized`: two fibers of a thread share the variable.
inline failure_state& failures_here() noexcept {
    static thread_local failure_state here;
    return here;
}

/// While one exists, the calling thread runs code of the kit, not of a test: nothing in it is a failure point, and the
/// thread sanitizer does not look.
class unwatched {
public:
    unwatched() noexcept { ++failures_here().own_code; }
    unwatched(const unwatched&) = delete;
    unwatched& operator=(const unwatched&) = delete;
    ~unwatched() { --failures_here().own_code; }

private:
    const unsanitized begins_first_;
};

}  // namespace pool::testing::kernel
