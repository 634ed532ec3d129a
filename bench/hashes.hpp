// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <pool/key.hpp>
#include <pool/seeded_key.hpp>

#include <workloads.hpp>

/// @file
/// W13: the hash of a key alone, by `std::hash` or with a seed.

namespace bench {

inline std::vector<std::uint64_t> integers(std::size_t count) {
    std::vector<std::uint64_t> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back(i);
    return all;
}

/// Hashes the `n` keys one after the other. `n` is a power of two.
template <class Key, auto keys>
class hashing {
public:
    explicit hashing(std::size_t n) : keys_{keys(n)} {}
    void operator()() {
        const std::size_t hash = pool::key_traits<Key>::hash(pool::key_view<Key>(keys_[next_++ & (keys_.size() - 1)]));
        asm volatile("" : : "r"(hash));  // it is used
    }

private:
    const decltype(keys(0)) keys_;
    std::size_t next_ = 0;
};

template <class Key>
using hash_of_text = hashing<Key, &bench::keys>;
template <class Key>
using hash_of_integer = hashing<Key, &bench::integers>;

}  // namespace bench
