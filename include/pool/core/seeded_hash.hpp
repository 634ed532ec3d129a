// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <variant>

#include <pool/core/fields.hpp>
#include <pool/core/key_hash.hpp>
#include <pool/core/sip_hash.hpp>

/// @file
/// The hash of a key with a secret seed: which types have one, and what of a value is hashed.

namespace pool::core {

/// One compression round and three final ones are enough for a hash table, which shows nobody its hashes. The language
/// runtimes of Rust and Python use the same.
using key_hash = sip_hash<1, 3>;

/// Text that is compared character by character.
template <class T>
inline constexpr bool is_text = false;
template <class Char, class Allocator>
inline constexpr bool is_text<std::basic_string<Char, std::char_traits<Char>, Allocator>> = is_character<Char>;
template <class Char>
inline constexpr bool is_text<std::basic_string_view<Char>> = is_character<Char>;

/// The type with which a key is looked up: a view, if it is a string.
template <class Key>
struct seeded_view {
    using type = const Key&;
};
template <class Key>
    requires is_text<Key>
struct seeded_view<Key> {
    using type = std::basic_string_view<typename Key::value_type>;
};

/// A type whose value is one word.
template <class T>
inline constexpr bool is_word =
    (std::is_integral_v<T> || std::is_enum_v<T> || std::is_pointer_v<T>) && sizeof(T) <= sizeof(std::uint64_t) &&
    !is_borrowed<T>;

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

/// Whether a type has fields that can be hashed one by one. A type with a `std::hash` of its own may be equal where its
/// fields are not.
template <class T>
consteval bool has_fields() {
    if constexpr (std::is_reference_v<T> || std_hashable<T>) return false;
    else if constexpr (std::is_array_v<T> || tuple_like<T>) return true;
    else if constexpr (!std::is_aggregate_v<T>) return false;
    else if constexpr (fields::has_base<T>()) return false;
    else return fields::count<T> != 0 && fields::count<T> <= fields::most;
}

template <class T>
consteval bool has_seeded_hash();

template <class... T>
consteval bool have_seeded_hash(std::type_identity<std::tuple<T...>>) {
    return (has_seeded_hash<std::remove_cv_t<T>>() && ...);
}
template <class... T>
consteval bool have_seeded_hash(std::type_identity<std::variant<T...>>) {
    return (has_seeded_hash<T>() && ...);
}
consteval bool have_seeded_hash(...) { return false; }

/// Whether a type has a seeded hash.
template <class T>
consteval bool has_seeded_hash() {
    if constexpr (is_text<T> || is_word<T> || std::is_same_v<T, std::monostate>) return true;
    else if constexpr (is_optional<T>) return has_seeded_hash<typename T::value_type>();
    else if constexpr (has_fields<T>()) return have_seeded_hash(field_types<T>());
    else return have_seeded_hash(std::type_identity<T>{});
}

/// The reason why a type cannot be a key that is hashed with a seed, or `none`.
template <class Key>
consteval key_fault fault_of_seeded_key() {
    constexpr key_fault fault = fault_of_key<Key>();
    if constexpr (fault == key_fault::unhashable || fault == key_fault::unhashable_field) return key_fault::unseedable;
    else if constexpr (fault != key_fault::none) return fault;
    else return has_seeded_hash<Key>() ? key_fault::none : key_fault::unseedable;
}

/// Adds a value to a hash. Different values of a type add different words, of which none begin as all of another's do.
/// So values one after the other cannot be mistaken for others, and a collision cannot be made without the seed.
template <class T>
void add_to(key_hash& hash, const T& value) {
    if constexpr (is_text<T>) {
        hash.add(value.size());
        hash.add(value.data(), value.size() * sizeof(typename T::value_type));
    } else if constexpr (std::is_pointer_v<T>) {
        hash.add(reinterpret_cast<std::uintptr_t>(value));
    } else if constexpr (is_word<T>) {
        hash.add(static_cast<std::uint64_t>(value));
    } else if constexpr (std::is_same_v<T, std::monostate>) {
        // has one value
    } else if constexpr (is_optional<T>) {
        hash.add(value.has_value());
        if (value) core::add_to(hash, *value);
    } else if constexpr (std::has_unique_object_representations_v<T>) {
        hash.add(&value, sizeof value);  // fields of whole words or bytes, without padding
    } else if constexpr (has_fields<T>()) {
        for_each_field(value, [&hash](const auto& field) { core::add_to(hash, field); });
    } else {
        hash.add(value.index());
        if (value.valueless_by_exception()) return;
        std::visit([&hash](const auto& held) { core::add_to(hash, held); }, value);
    }
}

/// The hash of some values with a seed. Text alone is hashed without its length, which is then known from its end.
template <class... T>
std::uint64_t seeded_hash_of(hash_seed seed, const T&... values) {
    if constexpr (sizeof...(T) == 1 && (is_text<T> && ...)) {
        return (key_hash::of(seed, values.data(), values.size() * sizeof(typename T::value_type)), ...);
    } else {
        key_hash hash{seed};
        (core::add_to(hash, values), ...);
        return hash.finish();
    }
}

}  // namespace pool::core
