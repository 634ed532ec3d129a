// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <new>

#include <pool/core/platform.hpp>

/// @file
/// Where a store gets the memory for its records.

namespace pool::core {

/// A few unused blocks of memory of one size. If connections come and go, each new record takes the block of an erased
/// one. The cache keeps only a few blocks, so the memory stays proportional to the number of connections. Not
/// thread-safe.
class block_cache {
public:
    static constexpr std::size_t most = 8;  ///< blocks kept

    block_cache() = default;
    block_cache(const block_cache&) = delete;
    block_cache& operator=(const block_cache&) = delete;

    ~block_cache() {
        while (count_ != 0) ::operator delete(blocks_[--count_]);
    }

private:
    template <class T>
    friend class recycling_allocator;

    std::array<void*, most> blocks_;
    std::size_t count_ = 0;
    std::size_t size_ = 0;  ///< the size of each block; 0 before the first allocation
};

/// An allocator that takes single objects from a block cache and returns them to it. The first request decides the size
/// of the blocks. Requests of another size, of several objects or of a special alignment bypass the cache: a container
/// also asks for arrays, and an array may have one element.
template <class T>
class recycling_allocator {
public:
    using value_type = T;  ///< the type of the objects

    /// The cache has to outlive what is allocated.
    explicit recycling_allocator(block_cache& cache) noexcept : cache_{&cache} {}

    /// The same cache, for another type.
    template <class Other>
    explicit(false) recycling_allocator(const recycling_allocator<Other>& other) noexcept : cache_{other.cache_} {}

    /// Throws `std::bad_alloc`.
    T* allocate(std::size_t count) {
        if (cache_->size_ == 0) cache_->size_ = sizeof(T);
        if (recycles(count) && cache_->count_ != 0) return static_cast<T*>(cache_->blocks_[--cache_->count_]);
        return std::allocator<T>{}.allocate(count);
    }

    /// Takes back what `allocate(count)` returned.
    void deallocate(T* block, std::size_t count) noexcept {
        if (recycles(count) && cache_->count_ != block_cache::most) cache_->blocks_[cache_->count_++] = block;
        else std::allocator<T>{}.deallocate(block, count);
    }

    /// Allocators of one cache are equal.
    friend bool operator==(const recycling_allocator& a, const recycling_allocator& b) noexcept = default;

private:
    template <class Other>
    friend class recycling_allocator;

    bool recycles(std::size_t count) const noexcept {
        return count == 1 && sizeof(T) == cache_->size_ && alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__;
    }

    block_cache* cache_;
};

}  // namespace pool::core
