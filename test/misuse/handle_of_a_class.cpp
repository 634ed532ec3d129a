// SPDX-License-Identifier: BSL-1.0
// expect: pool: a handle is a pointer or an integer
#include <pool/adapters/handle.hpp>

// A handle of a C library that is a structure.
struct window {
    int number;
};
void destroy(window opened);
inline void destroy_number(int opened) { destroy({opened}); }

#ifdef POOL_MISUSE_FIXED
using session = pool::handle<int, destroy_number>;
#else
using session = pool::handle<window, destroy>;
#endif

session opened;
