// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <string>

#include <pool/connection.hpp>
#include <pool/core/describe.hpp>
#include <pool/key.hpp>

/// @file
/// Parts of the messages of errors.

namespace pool::core {

/// The part of a message that names the key; empty if there is no key.
template <class Key>
std::string for_key(const Key& key) {
    if constexpr (std::same_as<Key, no_key>) return {};
    else return " for key " + core::describe(key);
}

/// The part of a message about a dial that has returned a dead connection. Throws what `why_dead` throws.
template <class Key, class Conn>
std::string dead_dial_text(const Key& key, const Conn& dead) {
    std::string why;
    if constexpr (death_explaining<Conn>) why = connection_traits<Conn>::why_dead(dead);
    while (why.ends_with('\n')) why.pop_back();  // as messages of C libraries end
    return "no connection" + core::for_key(key) + ": the dial has returned a dead one" + (why.empty() ? why : ": " + why);
}

}  // namespace pool::core
