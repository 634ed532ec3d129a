// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <boost/container_hash/hash.hpp>

#include <pool/core/fields.hpp>

/// @file
/// The hash of a key, and the reasons why a type cannot be a key.

namespace pool::core {

/// Has a `std::hash`: strings, integers, enums, pointers, and whatever a program has specialised it for.
template <class T>
concept std_hashable = requires(const T& value) {
    { std::hash<T>{}(value) } -> std::same_as<std::size_t>;
};

/// A pair, a tuple or a `std::array`: a type that has fields, too.
template <class T>
concept tuple_like = requires { std::tuple_size<T>::value; };

/// A character, whose pointers are nearly always text.
template <class T>
inline constexpr bool is_character =
    std::same_as<T, char> || std::same_as<T, wchar_t> || std::same_as<T, char8_t> || std::same_as<T, char16_t> ||
    std::same_as<T, char32_t>;

/// A type that refers to an object it does not own: a reference, a pointer to characters, a string view.
template <class T>
inline constexpr bool is_borrowed =
    std::is_reference_v<T> || (std::is_pointer_v<T> && is_character<std::remove_cv_t<std::remove_pointer_t<T>>>);
template <class Char, class Traits>
inline constexpr bool is_borrowed<std::basic_string_view<Char, Traits>> = true;  ///< a string view
template <class T>
inline constexpr bool is_borrowed<std::optional<T>> = is_borrowed<T>;  ///< what it may hold
template <class... T>
inline constexpr bool is_borrowed<std::variant<T...>> = (is_borrowed<T> || ...);  ///< what it may hold

/// Why a type cannot be a key that is compared by value.
enum class key_fault : unsigned char {
    none,
    borrowed,          ///< it, or a field of it, does not own its text
    field_count,       ///< an aggregate with no field, or with too many
    base_class,        ///< an aggregate with a base class, whose fields cannot be named
    unhashable_field,  ///< a field without a hash
    unhashable,        ///< no hash, and no fields
    unseedable,        ///< it, or a field of it, has no seeded hash
};

template <class T>
consteval key_fault fault_of_key();

/// The first fault of the fields.
template <class... Field>
consteval key_fault fault_of_fields(std::type_identity<std::tuple<Field...>>) {
    key_fault first = key_fault::none;
    for (const key_fault each : {key_fault::none, fault_of_key<std::remove_cv_t<Field>>()...}) {
        if (first == key_fault::none) first = each == key_fault::unhashable ? key_fault::unhashable_field : each;
    }
    return first;
}

/// The elements of a tuple-like type, as a tuple of the same types.
template <class T, std::size_t... I>
auto elements(std::index_sequence<I...>) -> std::type_identity<std::tuple<std::tuple_element_t<I, T>...>>;

/// The types of the fields of an array, a tuple-like type or an aggregate, as a tuple.
template <class T>
consteval auto field_types() {
    if constexpr (std::is_array_v<T>) return std::type_identity<std::tuple<std::remove_all_extents_t<T>>>{};
    else if constexpr (tuple_like<T>) return decltype(elements<T>(std::make_index_sequence<std::tuple_size_v<T>>{})){};
    else return std::type_identity<fields::types<T>>{};
}

/// The reason why a type cannot be a key or a field, or `none`.
template <class T>
consteval key_fault fault_of_key() {
    if constexpr (is_borrowed<T>) {
        return key_fault::borrowed;
    } else if constexpr (std_hashable<T>) {
        return key_fault::none;
    } else if constexpr (std::is_array_v<T> || tuple_like<T>) {
        return fault_of_fields(field_types<T>());
    } else if constexpr (std::is_aggregate_v<T>) {
        if constexpr (fields::has_base<T>()) return key_fault::base_class;
        else if constexpr (fields::count<T> == 0 || fields::count<T> > fields::most) return key_fault::field_count;
        else return fault_of_fields(field_types<T>());
    } else {
        return key_fault::unhashable;
    }
}

/// Calls `f` with each field of a value that is hashed field by field.
template <class T, class F>
void for_each_field(const T& value, const F& f) {
    if constexpr (std::is_array_v<T>) {
        for (const auto& element : value) f(element);
    } else if constexpr (tuple_like<T>) {
        std::apply([&f](const auto&... element) { (f(element), ...); }, value);
    } else {
        fields::apply(value, [&f]<class...>(const auto&... field) { (f(field), ...); });
    }
}

/// The `std::hash` of a key or, where there is none, the hashes of its fields combined.
template <class T>
std::size_t hash_of(const T& value) {
    if constexpr (std_hashable<T>) {
        return std::hash<T>{}(value);
    } else {
        std::size_t seed = 0;
        for_each_field(value, [&seed](const auto& field) { boost::hash_combine(seed, core::hash_of(field)); });
        return seed;
    }
}

}  // namespace pool::core
