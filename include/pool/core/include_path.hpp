// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// Boost.Pool has a header of the same name. If Boost's own directory is on the include path (.../include/boost instead
/// of .../include), `<pool/pool.hpp>` can be either of them. This file finds out which one it is. `<pool/poolfwd.hpp>`
/// is Boost's, and `__has_include_next` searches only behind the directory in which this file was found.
///
/// If Boost's directory comes first, this file is an error. A source that includes `<pool/pool.hpp>` and nothing else
/// of this library does not reach this file. It gets Boost's header, and the compiler says that there is no namespace
/// `pool`.
///
/// If this library's directory comes first, the build is right, unless Boost's header was meant. So this file prints a
/// message, which `-Werror` does not make an error.

#if defined(__has_include) && defined(__has_include_next)
#if __has_include(<pool/poolfwd.hpp>)
#if __has_include_next(<pool/poolfwd.hpp>)
#pragma message("pool: this <pool/pool.hpp> is not Boost.Pool's header, which is <boost/pool/pool.hpp>")
#else
#error "pool: <pool/pool.hpp> is Boost.Pool's header here; put the parent of boost/ on the include path, not boost/"
#endif
#endif
#endif
