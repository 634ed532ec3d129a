// SPDX-License-Identifier: BSL-1.0
// expect: pool: the Checks of a handle need one of closed, unblocked, reusable, why_dead, abandon and none
#include <pool/adapters/handle.hpp>

struct db;
void db_close(db*);
bool db_is_dead(const db*) noexcept;

struct checks {
#ifdef POOL_MISUSE_FIXED
    static bool closed(const db* c) noexcept { return db_is_dead(c); }
#else
    static bool is_closed(const db* c) noexcept { return db_is_dead(c); }
#endif
};

pool::handle<db*, db_close, checks> opened;
