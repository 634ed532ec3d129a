// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <string>

#include <pool/core/platform.hpp>

/// @file
/// The text of any exception.

namespace pool::core {

/// Its `what()`, if it is a `std::exception`. Throws `std::bad_alloc`.
inline std::string what(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& known) {
        return known.what();
    } catch (...) {
        return "an exception that is not a std::exception";
    }
}

}  // namespace pool::core
