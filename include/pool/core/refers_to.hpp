// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <type_traits>

#include <pool/core/platform.hpp>

/// @file
/// Results of a function that refer to something else.

namespace pool::core {

/// A `Result` that refers to an object, as far as its type tells: a reference, or a pointer to `T`. A pointer to
/// anything else, and a `std::reference_wrapper`, may be to an object of its receiver's.
template <class Result, class T>
inline constexpr bool refers_to = std::is_reference_v<Result>;
template <class Pointee, class T>
inline constexpr bool refers_to<Pointee*, T> = std::is_same_v<std::remove_cv_t<Pointee>, T>;  ///< a pointer

}  // namespace pool::core
