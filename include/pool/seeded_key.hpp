// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <random>
#include <type_traits>

#include <pool/core/seeded_hash.hpp>
#include <pool/key.hpp>

/// @file
/// Keys that come from outside, such as a name in a request. Their author can choose many keys with the same `std::hash`,
/// or with hashes that share a bucket. Each operation would then search through all of them. A hash with a secret seed
/// prevents that.

namespace pool {

namespace core {

/// The seed of this process. The first call chooses it, and throws what `std::random_device` throws. Later calls compare
/// a byte.
#if defined(__ELF__)
[[gnu::visibility("default")]]  // shared libraries that hide their symbols have the same seed, too
#endif
inline const hash_seed& process_seed() {
    static const hash_seed seed = [] {
        std::random_device source;  // 32 bits a call
        const auto word = [&source] { return std::uint64_t{source()} << 32 | source(); };
        return hash_seed{word(), word()};
    }();
    return seed;
}

}  // namespace core

/// A value that `seeded_hash` can hash: a string or a view of one, an integer, an enum, a pointer (but not to characters),
/// and an optional, a variant, a pair, a tuple, an array or an aggregate of these, if it has no `std::hash` of its own.
template <class T>
concept seedable = core::has_seeded_hash<std::remove_cv_t<T>>();

/// A hash of some values, for the `key_traits` of a key that is not hashed field by field: a class with private members,
/// or a name whose upper and lower case are alike. It is SipHash-1-3, whose seed is random in each process. So it must
/// not be stored. Thread-safe. Only the first call may throw: what `std::random_device` throws, if the system has no
/// random numbers. O(n) in the bytes of the values.
template <seedable... T>
std::size_t seeded_hash(const T&... values) {
    return static_cast<std::size_t>(core::seeded_hash_of(core::process_seed(), values...));
}

/// As the `key_traits` of a key without a specialisation, or of a string, but with `seeded_hash`. For a type of your own:
///
///     template <>
///     struct pool::key_traits<peer> : pool::seeded_key_traits<peer> {};
///
/// For any other type, such as `std::string`, take a `seeded_key` of it.
template <class Key>
struct seeded_key_traits {
    using view = typename core::seeded_view<Key>::type;  ///< a `std::string_view` for a string

    /// For the pool: the reason why it cannot be a Key.
    static consteval core::key_fault fault() { return core::fault_of_seeded_key<Key>(); }

    /// The hash of a key: the `seeded_hash` of it.
    static std::size_t hash(view key)
        requires(core::fault_of_seeded_key<Key>() == core::key_fault::none)
    {
        return seeded_hash(key);
    }
    /// Whether two keys are equal: by `operator==`.
    static bool equal(view a, view b)
        requires std::equality_comparable<Key>
    {
        return a == b;
    }
};

/// A key whose hash has a secret seed: `bounded_pool<seeded_key<std::string>, Conn>`. It is looked up with what Key is
/// looked up with, and converts to Key. So the calls, and the dials that take a Key, are those of a pool without it.
template <class Key>
class seeded_key {
public:
    using view = typename seeded_key_traits<Key>::view;  ///< what it is looked up with

    /// Copies the value.
    explicit seeded_key(view value) : value_(value) {}

    const Key& get() const noexcept { return value_; }       ///< the value
    operator const Key&() const noexcept { return value_; }  ///< the value
    /// A view of a string.
    operator std::remove_reference_t<view>() const noexcept
        requires core::is_text<Key>
    {
        return value_;
    }

private:
    Key value_;
};

namespace core {

/// How a `seeded_key` is shown: as its value, if the traits of that say so.
template <class Key>
struct seeded_description {};
/// The same, if they do.
template <describing_key Key>
struct seeded_description<Key> {
    /// As the value.
    static std::string describe(const seeded_key<Key>& key) { return key_traits<Key>::describe(key.get()); }
};

}  // namespace core

/// With the seeded hash.
template <class Key>
struct key_traits<seeded_key<Key>> : seeded_key_traits<Key>, core::seeded_description<Key> {};

}  // namespace pool
