// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include <pool/core/platform.hpp>

/// @file
/// Memory that an operation has from its begin, for what it must be able to do later.

namespace pool::core {

/// Memory for one object at a time, inside an object that outlives it. So whoever uses it needs no other memory, and
/// cannot run out of it. Not thread-safe.
class reserved_memory {
public:
    /// The memory, or nullptr if it is in use, or too small.
    void* take(std::size_t size, std::size_t alignment) noexcept {
        const bool fits = size <= sizeof(memory_) && alignment <= alignof(std::max_align_t);
        return fits && !std::exchange(is_taken_, true) ? memory_ : nullptr;
    }
    /// Gives it back. Returns false if `memory` is not this memory.
    bool give_back(void* memory) noexcept { return memory == memory_ && std::exchange(is_taken_, false); }

private:
    alignas(std::max_align_t) std::byte memory_[256];
    bool is_taken_ = false;
};

/// An allocator that takes a reserved memory first, and then the memory of another allocator. It keeps what the
/// reserved memory is a part of alive.
template <class T, class Allocator>
class reserving_allocator {
public:
    using value_type = T;  ///< the parameter
    /// The same for another type.
    template <class U>
    struct rebind {
        using other = reserving_allocator<U, Allocator>;  ///< its allocator
    };

    reserving_allocator(std::shared_ptr<reserved_memory> reserved, const Allocator& memory) noexcept
        : reserved_{std::move(reserved)},
          other_{memory} {}
    /// There is no move: who has been moved from must still free what it has allocated.
    reserving_allocator(const reserving_allocator&) noexcept = default;
    reserving_allocator& operator=(const reserving_allocator&) noexcept = default;
    template <class U>
    explicit(false) reserving_allocator(const reserving_allocator<U, Allocator>& from) noexcept
        : reserved_{from.reserved_},
          other_{from.other_} {}

    T* allocate(std::size_t count) {
        if (void* const memory = reserved_->take(count * sizeof(T), alignof(T))) return static_cast<T*>(memory);
        other memory{other_};
        return std::allocator_traits<other>::allocate(memory, count);
    }
    void deallocate(T* memory, std::size_t count) noexcept {
        if (reserved_->give_back(memory)) return;
        other memory_of_other{other_};
        std::allocator_traits<other>::deallocate(memory_of_other, memory, count);
    }

    friend bool operator==(const reserving_allocator& a, const reserving_allocator& b) noexcept {
        return a.reserved_ == b.reserved_;
    }

private:
    template <class, class>
    friend class reserving_allocator;
    using other = typename std::allocator_traits<Allocator>::template rebind_alloc<T>;

    std::shared_ptr<reserved_memory> reserved_;
    Allocator other_;
};

}  // namespace pool::core
