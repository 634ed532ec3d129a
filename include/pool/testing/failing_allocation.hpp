// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

#include <pool/testing/failure_plan.hpp>

/// @file
/// Makes each allocation a failure point: it replaces every `operator new` of the program, and its `operator delete`.
///
/// Include it in exactly one source file of a test program. In a second one, the linker finds these functions twice, and
/// says so. In a program without it, allocations neither count nor fail.
///
/// They allocate with `malloc`, as the default operators do, so sanitizers watch the memory. If there is no memory, they
/// call the new-handler, as those do.

/// @cond
namespace pool::testing::kernel {

constexpr std::size_t usual_alignment = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

constexpr std::size_t number(std::align_val_t alignment) { return static_cast<std::size_t>(alignment); }

#ifdef _WIN32
// It has no `aligned_alloc`, and its own function has a counterpart of its own.
inline void* allocate_aligned(std::size_t size, std::size_t alignment) { return _aligned_malloc(size, alignment); }
inline void free_aligned(void* p) { _aligned_free(p); }
#else
inline void* allocate_aligned(std::size_t size, std::size_t alignment) {
    const std::size_t whole = (size + alignment - 1) / alignment * alignment;  // aligned_alloc needs a multiple
    if (whole < size) return nullptr;                                          // the multiple is no std::size_t
    return std::aligned_alloc(alignment, whole);
}
inline void free_aligned(void* p) { std::free(p); }
#endif

inline void* allocate(std::size_t size, std::size_t alignment) {
    if (failure_plan::reach_here(point::allocation)) throw std::bad_alloc{};  // a new-handler could undo that
    if (size == 0) size = 1;
    const bool usual = alignment <= usual_alignment;
    for (;;) {
        if (void* got = usual ? std::malloc(size) : allocate_aligned(size, alignment)) return got;
        const std::new_handler free_some = std::get_new_handler();
        if (free_some == nullptr) throw std::bad_alloc{};
        free_some();
    }
}

inline void* allocate_or_null(std::size_t size, std::size_t alignment) noexcept {
    try {
        return allocate(size, alignment);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

inline void deallocate(void* p, std::align_val_t alignment) noexcept {
    if (number(alignment) <= usual_alignment) std::free(p);
    else free_aligned(p);
}

}  // namespace pool::testing::kernel

// All operators are replaced. A sanitizer has its own operators, so an allocation by one that is not replaced would not
// be counted, or would not match its delete. None is inlined: g++ would warn that `free` does not match `operator new`.

[[gnu::noinline]] void* operator new(std::size_t size) {
    return pool::testing::kernel::allocate(size, pool::testing::kernel::usual_alignment);
}
[[gnu::noinline]] void* operator new[](std::size_t size) {
    return pool::testing::kernel::allocate(size, pool::testing::kernel::usual_alignment);
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t to) {
    return pool::testing::kernel::allocate(size, pool::testing::kernel::number(to));
}
[[gnu::noinline]] void* operator new[](std::size_t size, std::align_val_t to) {
    return pool::testing::kernel::allocate(size, pool::testing::kernel::number(to));
}

[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return pool::testing::kernel::allocate_or_null(size, pool::testing::kernel::usual_alignment);
}
[[gnu::noinline]] void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return pool::testing::kernel::allocate_or_null(size, pool::testing::kernel::usual_alignment);
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t to, const std::nothrow_t&) noexcept {
    return pool::testing::kernel::allocate_or_null(size, pool::testing::kernel::number(to));
}
[[gnu::noinline]] void* operator new[](std::size_t size, std::align_val_t to, const std::nothrow_t&) noexcept {
    return pool::testing::kernel::allocate_or_null(size, pool::testing::kernel::number(to));
}

[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t to) noexcept {
    pool::testing::kernel::deallocate(p, to);
}
[[gnu::noinline]] void operator delete[](void* p, std::align_val_t to) noexcept {
    pool::testing::kernel::deallocate(p, to);
}
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t to) noexcept {
    pool::testing::kernel::deallocate(p, to);
}
[[gnu::noinline]] void operator delete[](void* p, std::size_t, std::align_val_t to) noexcept {
    pool::testing::kernel::deallocate(p, to);
}
[[gnu::noinline]] void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t to, const std::nothrow_t&) noexcept {
    pool::testing::kernel::deallocate(p, to);
}
[[gnu::noinline]] void operator delete[](void* p, std::align_val_t to, const std::nothrow_t&) noexcept {
    pool::testing::kernel::deallocate(p, to);
}
/// @endcond
