// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// Boost.Pool has a header of the same name: with Boost's own directory on the include path (.../include/boost instead of
/// .../include), `<pool/pool.hpp>` can be either. This file finds out which one it is. `<pool/poolfwd.hpp>` is Boost's, and
/// `__has_include_next` looks only behind the directory that this file was found in.
///
/// If Boost's comes first, that is an error here. But no file of this library is read if a source includes `<pool/pool.hpp>`
/// and nothing else of it. Such a source gets Boost's header without a word; its compiler then knows no namespace `pool`.
///
/// If this library's comes first, the build is right, unless Boost's header was meant. So that is a message, which is no
/// error with `-Werror` either.

#if defined(__has_include) && defined(__has_include_next)
#if __has_include(<pool/poolfwd.hpp>)
#if __has_include_next(<pool/poolfwd.hpp>)
#pragma message( \
    "pool: <pool/pool.hpp> is this library's header, not that of Boost.Pool, whose directory is on the include path, too; include Boost's as <boost/pool/pool.hpp>")
#else
#error \
    "pool: <pool/pool.hpp> is the header of Boost.Pool, not this library's, because Boost's own directory comes first on the include path; put the directory that contains boost/ there instead"
#endif
#endif
#endif
