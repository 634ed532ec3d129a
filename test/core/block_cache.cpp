// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include <pool/core/block_cache.hpp>

#include <support/allocations.hpp>

namespace {

struct record {
    long numbers[4];
};

struct alignas(64) aligned_record {
    char byte;
};

using memory = pool::core::recycling_allocator<record>;

}  // namespace

TEST_CASE("recycling_allocator: a block that is freed is allocated next") {
    pool::core::block_cache spare;
    memory records{spare};
    record* const first = records.allocate(1);
    records.deallocate(first, 1);
    const allocations::counter made;
    record* const second = records.allocate(1);
    CHECK(made.count() == 0);
    CHECK(second == first);
    records.deallocate(second, 1);
}

TEST_CASE("recycling_allocator: it never allocates a block that is in use") {
    pool::core::block_cache spare;
    memory records{spare};
    constexpr std::size_t count = 3 * pool::core::block_cache::most;
    for (int round = 0; round != 3; ++round) {
        std::set<record*> used;
        while (used.size() != count) {
            record* const block = records.allocate(1);
            *block = {};
            CHECK(used.insert(block).second);
        }
        for (record* const each : used) records.deallocate(each, 1);
    }
}

TEST_CASE("recycling_allocator: no more than a few blocks are kept [C17]") {
    pool::core::block_cache spare;
    memory records{spare};
    constexpr std::size_t count = 3 * pool::core::block_cache::most;
    std::vector<record*> used;
    for (std::size_t i = 0; i != count; ++i) used.push_back(records.allocate(1));
    for (record* const each : used) records.deallocate(each, 1);
    const allocations::counter made;
    for (record*& each : used) each = records.allocate(1);
    CHECK(made.count() == count - pool::core::block_cache::most);
    for (record* const each : used) records.deallocate(each, 1);
}

TEST_CASE("recycling_allocator: memory for several objects does not come from the cache") {
    pool::core::block_cache spare;
    memory records{spare};
    record* const several = records.allocate(2);
    records.deallocate(several, 2);
    const allocations::counter made;
    record* const one = records.allocate(1);
    CHECK(made.count() == 1);
    records.deallocate(one, 1);
}

TEST_CASE("recycling_allocator: blocks of another size than the first are not cached") {
    pool::core::block_cache spare;
    memory records{spare};
    records.deallocate(records.allocate(1), 1);
    pool::core::recycling_allocator<char> characters{records};
    char* const one = characters.allocate(1);
    characters.deallocate(one, 1);
    const allocations::counter made;
    record* const first = records.allocate(1);
    CHECK(made.count() == 0);
    record* const second = records.allocate(1);
    CHECK(made.count() == 1);
    records.deallocate(first, 1);
    records.deallocate(second, 1);
}

TEST_CASE("recycling_allocator: over-aligned blocks are not cached, and are aligned") {
    pool::core::block_cache spare;
    pool::core::recycling_allocator<aligned_record> records{spare};
    for (int i = 0; i != 2; ++i) {
        aligned_record* const block = records.allocate(1);
        CHECK(reinterpret_cast<std::size_t>(block) % alignof(aligned_record) == 0);
        records.deallocate(block, 1);
    }
}

TEST_CASE("recycling_allocator: two of the same cache are equal") {
    pool::core::block_cache spare;
    pool::core::block_cache other;
    CHECK(memory{spare} == memory{spare});
    CHECK(memory{spare} != memory{other});
    CHECK(pool::core::recycling_allocator<record>{pool::core::recycling_allocator<int>{spare}} == memory{spare});
}
