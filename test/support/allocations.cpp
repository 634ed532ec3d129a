// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#include <support/allocations.hpp>

namespace {

constexpr std::size_t usual_alignment = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

constexpr std::size_t number(std::align_val_t alignment) { return static_cast<std::size_t>(alignment); }

}  // namespace

namespace allocations {

namespace {

thread_local std::uint64_t asked_for = 0;
thread_local std::uint64_t to_fail = 0;  // once the count has passed it, no allocation fails, unless all do
thread_local bool all_fail = false;

#ifdef _WIN32
// It has no `aligned_alloc`, and its own function has a counterpart of its own.
void* allocate_aligned(std::size_t size, std::size_t alignment) { return _aligned_malloc(size, alignment); }
void free_aligned(void* p) { _aligned_free(p); }
#else
void* allocate_aligned(std::size_t size, std::size_t alignment) {
    const std::size_t whole = (size + alignment - 1) / alignment * alignment;  // aligned_alloc needs a multiple
    return std::aligned_alloc(alignment, whole);
}
void free_aligned(void* p) { std::free(p); }
#endif

/// Allocates with `malloc`, as the default operators do, so sanitizers watch the memory.
void* allocate(std::size_t size, std::size_t alignment) {
    if (++asked_for == to_fail || (all_fail && asked_for > to_fail)) throw std::bad_alloc{};
    if (size == 0) size = 1;
    const bool usual = alignment <= usual_alignment;
    if (void* got = usual ? std::malloc(size) : allocate_aligned(size, alignment)) return got;
    throw std::bad_alloc{};
}

void* allocate_or_null(std::size_t size, std::size_t alignment) noexcept {
    try {
        return allocate(size, alignment);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

void release(void* p, std::align_val_t alignment) noexcept {
    if (number(alignment) <= usual_alignment) std::free(p);
    else free_aligned(p);
}

}  // namespace

std::uint64_t count() noexcept { return asked_for; }

failing::failing(std::uint64_t n, those which) noexcept {
    to_fail = asked_for + n;
    all_fail = which == those::all_from_there;
}
failing::~failing() {
    to_fail = 0;
    all_fail = false;
}
bool failing::happened() const noexcept { return asked_for >= to_fail; }

}  // namespace allocations

// All operators are replaced. A sanitizer has its own operators, so an allocation by one that is not replaced would not
// be counted, or would not match its delete.

void* operator new(std::size_t size) { return allocations::allocate(size, usual_alignment); }
void* operator new[](std::size_t size) { return allocations::allocate(size, usual_alignment); }
void* operator new(std::size_t size, std::align_val_t to) { return allocations::allocate(size, number(to)); }
void* operator new[](std::size_t size, std::align_val_t to) { return allocations::allocate(size, number(to)); }

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return allocations::allocate_or_null(size, usual_alignment);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return allocations::allocate_or_null(size, usual_alignment);
}
void* operator new(std::size_t size, std::align_val_t to, const std::nothrow_t&) noexcept {
    return allocations::allocate_or_null(size, number(to));
}
void* operator new[](std::size_t size, std::align_val_t to, const std::nothrow_t&) noexcept {
    return allocations::allocate_or_null(size, number(to));
}

void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t to) noexcept { allocations::release(p, to); }
void operator delete[](void* p, std::align_val_t to) noexcept { allocations::release(p, to); }
void operator delete(void* p, std::size_t, std::align_val_t to) noexcept { allocations::release(p, to); }
void operator delete[](void* p, std::size_t, std::align_val_t to) noexcept { allocations::release(p, to); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t to, const std::nothrow_t&) noexcept { allocations::release(p, to); }
void operator delete[](void* p, std::align_val_t to, const std::nothrow_t&) noexcept { allocations::release(p, to); }
