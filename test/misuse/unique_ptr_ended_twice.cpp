// SPDX-License-Identifier: BSL-1.0
// expect: pool: both the deleter of this unique_ptr and connection_traits<T>::close would end the connection
// clang says at most: 7000, because it lists each template on the way from the pool to the pointer
#include <memory>

#include <pool/pool.hpp>

// A handle of a C library.
struct db;
void db_close(db*);
bool db_is_dead(const db*) noexcept;

struct closer {
    void operator()(db* opened) const { db_close(opened); }
};

template <>
struct pool::connection_traits<db> {
#ifndef POOL_MISUSE_FIXED
    static void close(db& c) { db_close(&c); }
#endif
    static bool closed(const db& c) noexcept { return db_is_dead(&c); }
};

pool::connection_pool<int, std::unique_ptr<db, closer>> sessions;
