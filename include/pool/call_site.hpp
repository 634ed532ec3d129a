// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <version>

#include <pool/core/platform.hpp>

#ifdef __cpp_lib_source_location
#include <source_location>
#endif

/// @file
/// A place in the code of the caller.

namespace pool {

#ifdef __cpp_lib_source_location
using call_site = std::source_location;  ///< where a call stands
#else
/// Where a call stands, for compilers without `std::source_location`.
class call_site {
public:
    /// The place of the call of this function, or of the function whose default argument it is.
    static constexpr call_site current(const char* file = __builtin_FILE(),
        const char* function = __builtin_FUNCTION(), std::uint_least32_t line = __builtin_LINE()) noexcept {
        call_site here;
        here.file_ = file;
        here.function_ = function;
        here.line_ = line;
        return here;
    }

    constexpr const char* file_name() const noexcept { return file_; }          ///< empty if it is no place
    constexpr const char* function_name() const noexcept { return function_; }  ///< empty if it is no place
    constexpr std::uint_least32_t line() const noexcept { return line_; }       ///< 0 if it is no place

private:
    const char* file_ = "";
    const char* function_ = "";
    std::uint_least32_t line_ = 0;
};
#endif

}  // namespace pool
