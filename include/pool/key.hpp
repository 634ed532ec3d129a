// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include <pool/core/key_hash.hpp>

/// @file
/// What a pool needs of a Key: a hash, equality, and the type that it is looked up with. A key must contain everything
/// that decides how its connections are opened, so that the connections of one key are interchangeable. A pool of one
/// peer has `no_key`.

namespace pool {

namespace core {
/// Marks the primary template: it compares keys by value, so a key must own its value.
template <class Key>
struct told_apart_by_value {};
}  // namespace core

/// How keys are hashed and compared: by `std::hash` and `operator==`. A key without a `std::hash` is hashed field by
/// field, if it is a pair, a tuple, an array or an aggregate of up to six fields without a base class.
///
/// Specialise it for a Key of your own with these three members. `view` is the type that a caller looks up with. A Key
/// must convert to it, and must be constructible from it. Both must have the same hash. A specialisation may also take
/// keys that do not own their text, such as a `std::string_view` of literals; the text must then outlive the pool.
///
/// For keys that others choose, derive it from `seeded_key_traits`, or take a `seeded_key`.
template <class Key>
struct key_traits : core::told_apart_by_value<Key> {
    using view = const Key&;  ///< what it is looked up with

    /// The hash of a key: by `std::hash`, or field by field.
    static std::size_t hash(const Key& key)
        requires(core::fault_of_key<Key>() == core::key_fault::none)
    {
        return core::hash_of(key);
    }
    /// Whether two keys are equal: by `operator==`.
    static bool equal(const Key& a, const Key& b)
        requires std::equality_comparable<Key>
    {
        return a == b;
    }
};

/// Strings are looked up by `std::string_view`: a literal or a part of a buffer finds its key, and no string is built.
template <class Char, class Traits, class Allocator>
struct key_traits<std::basic_string<Char, Traits, Allocator>> {
    using view = std::basic_string_view<Char, Traits>;  ///< what it is looked up with

    static std::size_t hash(view key) noexcept { return std::hash<view>{}(key); }  ///< as the string's `std::hash`
    static bool equal(view a, view b) noexcept { return a == b; }                  ///< by `operator==`
};

/// The Key of a pool that has one peer. All connections of such a pool are interchangeable. Its operations take no key,
/// and its error messages name none.
struct no_key {
    explicit no_key() = default;  ///< explicit, so that `{}` is never taken for a key
};

/// All are equal.
template <>
struct key_traits<no_key> {
    using view = no_key;  ///< it is empty

    static constexpr std::size_t hash(no_key) noexcept { return 0; }       ///< that of the only key
    static constexpr bool equal(no_key, no_key) noexcept { return true; }  ///< there is only one
};

/// The type that a Key is looked up with.
template <class Key>
using key_view = typename key_traits<Key>::view;

/// A key that `key_traits` can hash: by `std::hash`, field by field, or by a specialisation.
template <class Key>
concept hashable_key = requires(key_view<Key> key) {
    { key_traits<Key>::hash(key) } -> std::same_as<std::size_t>;
};

/// A key that `key_traits` can compare: by `operator==`, or by a specialisation.
template <class Key>
concept comparable_key = requires(key_view<Key> key) {
    { key_traits<Key>::equal(key, key) } -> std::convertible_to<bool>;
};

/// A key whose traits say how messages, reports and `connection_info` show it: `static std::string describe(const Key&)`. A key
/// that holds a secret needs that.
template <class Key>
concept describing_key = requires(const Key& key) {
    { key_traits<Key>::describe(key) } -> std::convertible_to<std::string>;
};

namespace core {

/// A class that also inherits a `describe` from traits has an ambiguous one, whatever that takes.
struct describe_name {
    void describe();  ///< never called
};
template <class Traits>
struct describe_probe : Traits, describe_name {};

/// Whether the traits of a key have something of the name `describe`.
template <class Key>
concept names_describe = !requires { &describe_probe<key_traits<Key>>::describe; };

}  // namespace core

/// A key that can be looked up with its view, and made from one.
template <class Key>
concept viewable_key = std::convertible_to<const Key&, key_view<Key>> && std::constructible_from<Key, key_view<Key>>;

}  // namespace pool
