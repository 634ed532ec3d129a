// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <new>

/// @file
/// Where a store gets the memory for its records.

namespace pool {

/// A few blocks of memory of one size, which nobody uses now. Where connections come and go, each that comes takes the block
/// of one that went. They are few, so that memory is that of the connections there are. Not thread-safe.
class spare_blocks {
public:
    static constexpr std::size_t most = 8;  ///< blocks kept

    spare_blocks() = default;
    spare_blocks(const spare_blocks&) = delete;
    spare_blocks& operator=(const spare_blocks&) = delete;

    ~spare_blocks() {
        while (count_ != 0) ::operator delete(blocks_[--count_]);
    }

private:
    template <class T>
    friend class recycling_allocator;

    std::array<void*, most> blocks_;
    std::size_t count_ = 0;
    std::size_t size_ = 0;  ///< of each; 0 until the first is asked for
};

/// An allocator that takes the memory of single objects from spare blocks, and leaves it there. The first that is asked for
/// decides their size. What has another, is more than one, or has an alignment of its own, goes past them: a container also
/// asks for arrays, which may have one element.
template <class T>
class recycling_allocator {
public:
    using value_type = T;  ///< what memory is for

    /// The blocks have to outlive what is allocated.
    explicit recycling_allocator(spare_blocks& spare) noexcept : spare_{&spare} {}

    /// The same blocks, for another type.
    template <class Other>
    explicit(false) recycling_allocator(const recycling_allocator<Other>& other) noexcept : spare_{other.spare_} {}

    /// Throws `std::bad_alloc`.
    T* allocate(std::size_t count) {
        if (spare_->size_ == 0) spare_->size_ = sizeof(T);
        if (recycles(count) && spare_->count_ != 0) return static_cast<T*>(spare_->blocks_[--spare_->count_]);
        return std::allocator<T>{}.allocate(count);
    }

    /// What `allocate(count)` returned.
    void deallocate(T* block, std::size_t count) noexcept {
        if (recycles(count) && spare_->count_ != spare_blocks::most) spare_->blocks_[spare_->count_++] = block;
        else std::allocator<T>{}.deallocate(block, count);
    }

    /// Those of the same blocks are alike.
    friend bool operator==(const recycling_allocator& a, const recycling_allocator& b) noexcept = default;

private:
    template <class Other>
    friend class recycling_allocator;

    bool recycles(std::size_t count) const noexcept {
        return count == 1 && sizeof(T) == spare_->size_ && alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__;
    }

    spare_blocks* spare_;
};

}  // namespace pool
