// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <pool/key.hpp>

/// @file
/// A key as error messages show it.

namespace pool::core {

/// The text that a value prints.
template <class T>
std::string streamed(const T& value) {
    std::ostringstream out;
    out << value;
    return std::move(out).str();
}

/// Shows a key as its `key_traits` say, if they do. Otherwise shows text in quotes, an enumerator as its number, and any
/// type with an `operator<<` as that prints it. Any other key is "(not printable)".
template <class Key>
std::string describe(const Key& key) {
    if constexpr (describing_key<Key>) {
        return key_traits<Key>::describe(key);
    } else if constexpr (std::convertible_to<const Key&, std::string_view>) {
        return '"' + std::string{std::string_view{key}} + '"';
    } else if constexpr (std::is_enum_v<Key>) {
        return std::to_string(static_cast<std::underlying_type_t<Key>>(key));
    } else if constexpr (requires(std::ostream& out) { out << key; }) {
        return core::streamed(key);
    } else {
        return "(not printable)";
    }
}

}  // namespace pool::core
