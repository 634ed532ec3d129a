// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <memory>

#include <pool/core/platform.hpp>

/// @file
/// The object behind a pointer, or the object itself.

namespace pool::core {

/// The object itself.
template <class T>
auto& pointee(T& object) noexcept {
    return object;
}
/// The object that a smart pointer points at.
template <class T, class Deleter>
T& pointee(std::unique_ptr<T, Deleter>& pointer) noexcept {
    return *pointer;
}
/// The object that a smart pointer points at.
template <class T>
T& pointee(std::shared_ptr<T>& pointer) noexcept {
    return *pointer;
}

}  // namespace pool::core
