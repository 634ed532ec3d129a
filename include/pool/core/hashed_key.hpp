// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

#include <pool/key.hpp>

/// @file
/// A key with its hash.

namespace pool::core {

/// The key that a caller passed, with its hash, which is computed only once. It may refer to the caller's argument.
/// Foreign code may destroy that argument, so do not use this object after foreign code has run.
template <class Key>
struct hashed_key {
    key_view<Key> key;  ///< valid as long as the caller's argument
    std::size_t hash;   ///< of `key`

    /// Hashes `given`. Throws what its hash throws.
    explicit hashed_key(key_view<Key> given) : key{given}, hash{key_traits<Key>::hash(given)} {}

    /// With a hash that is known.
    hashed_key(key_view<Key> given, std::size_t known) noexcept : key{given}, hash{known} {}

    /// Whether it equals `other`, whose hash is `hash_of_other`.
    bool equals(const Key& other, std::size_t hash_of_other) const {
        return hash == hash_of_other && key_traits<Key>::equal(key, key_view<Key>(other));
    }
};

}  // namespace pool::core
