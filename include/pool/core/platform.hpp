// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <version>

#include <pool/core/include_path.hpp>

/// @file
/// What the library needs of the compiler and of the standard library. Every other header includes this file, directly
/// or not.
///
/// If something is missing, the first error says what it is. `#error` alone lets a compiler go on to errors of its own,
/// so an include that cannot be found ends the compilation.

#if defined(_MSVC_LANG) ? _MSVC_LANG < 202002L : __cplusplus < 202002L
#error "pool: C++20 is needed: compile with -std=c++20 or later"
#include <see_the_error_above>
#elif !defined(__cpp_exceptions)
#error "pool: exceptions are needed: compile without -fno-exceptions"
#include <see_the_error_above>
#elif !defined(__cpp_lib_jthread) && defined(_LIBCPP_VERSION)
#error "pool: std::stop_token is needed: before version 20, libc++ has it only with -fexperimental-library"
#include <see_the_error_above>
#elif !defined(__cpp_lib_jthread)
#error "pool: std::stop_token is needed: use a standard library that has threads (MinGW: the one for POSIX threads)"
#include <see_the_error_above>
#endif
