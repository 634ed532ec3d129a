// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <memory>
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

/// A text of an error that is kept: not the exception, which belongs to its caller. Nullptr if there is none.
using kept_error = std::shared_ptr<const std::string>;

/// Copies a text, to keep it. Returns nullptr if there is no memory.
inline kept_error kept_text(const std::string& text) noexcept {
    try {
        return std::make_shared<const std::string>(text);
    } catch (...) {
        return nullptr;
    }
}

/// The same for an exception.
inline kept_error kept_text(const std::exception_ptr& error) noexcept {
    try {
        return core::kept_text(core::what(error));
    } catch (...) {
        return nullptr;
    }
}

}  // namespace pool::core
