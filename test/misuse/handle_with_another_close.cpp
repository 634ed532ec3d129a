// SPDX-License-Identifier: BSL-1.0
// expect: pool: the Close of a handle must be a function that takes the handle
#include <pool/adapters/handle.hpp>

struct db;
void db_close(db*);
void db_close_all();

#ifdef POOL_MISUSE_FIXED
using session = pool::handle<db*, db_close>;
#else
using session = pool::handle<db*, db_close_all>;
#endif

session opened;
