// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include <pool/connection.hpp>

/// @file
/// Things that are not connections: a buffer, a compiled model, a regular expression. They need no close, and never die.

namespace pool {

/// Whether objects of a type need no close, are never dead, and never blocked. Specialise it as true for a type, and a
/// pool can keep its objects: `template <> inline constexpr bool pool::is_plain<model> = true;`
template <class T>
inline constexpr bool is_plain = false;

/// Answers for a plain object.
template <class T>
requires is_plain<T>
struct connection_traits<T> {
    static void close(T&) noexcept {}                          ///< the destructor does it all
    static bool closed(const T&) noexcept { return false; }    ///< never
    static bool unblocked(const T&) noexcept { return true; }  ///< always

    /// Calls `object.weight()`, if there is one.
    static std::size_t weight(const T& object) noexcept
        requires requires {
            { object.weight() } noexcept -> std::convertible_to<std::size_t>;
        }
    {
        return object.weight();
    }
};

/// Makes a plain object of any: `connection_pool<int, plain<std::vector<char>>>`. A function that opens one may return a
/// T. Use it like a pointer: with a lease, `lent->value`, or `**lent`.
template <class T>
struct plain {
    T value;  ///< the object

    /// From the object.
    explicit(false) plain(T object) noexcept(
        std::is_nothrow_move_constructible_v<T>) requires std::move_constructible<T> : value(std::move(object)) {}

    /// Constructs the object in place, for one that cannot be moved.
    template <class... Args>
    requires std::constructible_from<T, Args...>
    explicit plain(std::in_place_t, Args&&... args) : value(std::forward<Args>(args)...) {}

    T& operator*() noexcept { return value; }                               ///< the object
    const T& operator*() const noexcept { return value; }                   ///< the object
    T* operator->() noexcept { return std::addressof(value); }              ///< the object
    const T* operator->() const noexcept { return std::addressof(value); }  ///< the object
};

template <class T>
inline constexpr bool is_plain<plain<T>> = true;  ///< any T

}  // namespace pool
