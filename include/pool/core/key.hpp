// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>

#include <boost/container_hash/hash.hpp>

/// @file
/// What is asked of Key: a hash, equality, and the type it is looked up by. A key is the whole of what decided how its
/// connections were opened: two connections of one key are interchangeable.

namespace pool {

namespace fields {

/// Stands for one initialiser of an aggregate, whatever its type.
struct any {
    /// Never defined: only asked for in unevaluated operands.
    template <class T>
    operator T() const noexcept;
};

/// How many fields an aggregate has.
template <class Aggregate, class... Initialisers>
consteval std::size_t count() {
    if constexpr (requires { Aggregate{Initialisers{}..., any{}}; }) return count<Aggregate, Initialisers..., any>();
    return sizeof...(Initialisers);
}

/// The most fields an aggregate key may have.
inline constexpr std::size_t most = 6;

/// The fields of an aggregate as a tuple of references.
template <class Aggregate>
constexpr auto tie(const Aggregate& key) {
    constexpr std::size_t n = count<Aggregate>();
    static_assert(n >= 1 && n <= most, "pool: an aggregate Key is hashed field by field, and may have one to six fields");
    if constexpr (n == 1) {
        const auto& [a] = key;
        return std::tie(a);
    } else if constexpr (n == 2) {
        const auto& [a, b] = key;
        return std::tie(a, b);
    } else if constexpr (n == 3) {
        const auto& [a, b, c] = key;
        return std::tie(a, b, c);
    } else if constexpr (n == 4) {
        const auto& [a, b, c, d] = key;
        return std::tie(a, b, c, d);
    } else if constexpr (n == 5) {
        const auto& [a, b, c, d, e] = key;
        return std::tie(a, b, c, d, e);
    } else if constexpr (n == 6) {
        const auto& [a, b, c, d, e, f] = key;
        return std::tie(a, b, c, d, e, f);
    }
}

}  // namespace fields

/// Has a `std::hash`: strings, integers, enums, pointers, and whatever a program has specialised it for.
template <class T>
concept std_hashable = requires(const T& value) {
    { std::hash<T>{}(value) } -> std::same_as<std::size_t>;
};

/// A pair, a tuple or a `std::array`: it has fields, too.
template <class T>
concept tuple_like = requires { std::tuple_size<T>::value; };

/// The `std::hash` of a key or, where there is none, the hashes of its fields combined.
template <class T>
std::size_t hash_of(const T& value) {
    if constexpr (std_hashable<T>) {
        return std::hash<T>{}(value);
    } else {
        static_assert(tuple_like<T> || std::is_aggregate_v<T>, "pool: a field of Key has no std::hash");
        std::size_t seed = 0;
        const auto combine = [&seed](const auto&... field) { (boost::hash_combine(seed, pool::hash_of(field)), ...); };
        if constexpr (tuple_like<T>) std::apply(combine, value);
        else std::apply(combine, fields::tie(value));
        return seed;
    }
}

/// How keys are told apart. `view` is what a caller looks up with: a Key converts to it, it converts to a Key, if only
/// explicitly, and both hash alike. Specialise it for a Key of your own with these three members.
template <class Key>
struct key_traits {
    using view = const Key&;  ///< what it is looked up with

    /// By `std::hash`, or field by field.
    static std::size_t hash(const Key& key)
        requires(std_hashable<Key> || tuple_like<Key> || std::is_aggregate_v<Key>)
    {
        return pool::hash_of(key);
    }
    /// By `operator==`.
    static bool equal(const Key& a, const Key& b)
        requires std::equality_comparable<Key>
    {
        return a == b;
    }
};

/// Strings are looked up by `std::string_view`: a literal or a part of a buffer finds its key, and none is built.
template <class Char, class Traits, class Allocator>
struct key_traits<std::basic_string<Char, Traits, Allocator>> {
    using view = std::basic_string_view<Char, Traits>;  ///< what it is looked up with

    static std::size_t hash(view key) noexcept { return std::hash<view>{}(key); }  ///< as the string's `std::hash`
    static bool equal(view a, view b) noexcept { return a == b; }                  ///< by `operator==`
};

/// What a Key is looked up with.
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

/// A key that can be looked up with its view, and made from one.
template <class Key>
concept viewable_key = std::convertible_to<const Key&, key_view<Key>> && std::constructible_from<Key, key_view<Key>>;

/// A key as a caller gives it, with its hash, which is computed once. It may refer to what it was given.
template <class Key>
struct hashed_key {
    key_view<Key> key;  ///< valid as long as what the caller gave
    std::size_t hash;   ///< of `key`

    /// Hashes `wanted`. Throws what its hash throws.
    explicit hashed_key(key_view<Key> wanted) : key{wanted}, hash{key_traits<Key>::hash(wanted)} {}

    /// Of a hash that is known.
    hashed_key(key_view<Key> wanted, std::size_t known) noexcept : key{wanted}, hash{known} {}
};

/// A key as error messages show it: text in quotes, numbers, whatever has an `operator<<`; else only that there is one.
template <class Key>
std::string describe(const Key& key) {
    if constexpr (std::convertible_to<const Key&, std::string_view>) {
        return '"' + std::string{std::string_view{key}} + '"';
    } else if constexpr (std::is_enum_v<Key>) {
        return std::to_string(static_cast<std::underlying_type_t<Key>>(key));
    } else if constexpr (requires(std::ostream& out) { out << key; }) {
        std::ostringstream out;
        out << key;
        return std::move(out).str();
    } else {
        return "(not printable)";
    }
}

}  // namespace pool
