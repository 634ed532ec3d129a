// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>

/// @file
/// The result of a refused call, so that the compiler has nothing to add to the sentence that refuses it.

namespace pool::core {

/// Stands for a result whose type is not known.
struct refused_result {
    /// Never defined.
    template <class T>
    operator T() const noexcept;
};

/// Stands for a result of type T. Never defined.
template <class T>
T refused() noexcept;

}  // namespace pool::core
