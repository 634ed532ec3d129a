// SPDX-License-Identifier: BSL-1.0
// expect: pool: both the deleter of this shared_ptr and connection_traits<T>::close would end the connection
#include <memory>

#include <pool/pool.hpp>

// A handle of a C library. Each shared_ptr to it has a deleter.
struct db;
void db_close(db*);

template <>
struct pool::connection_traits<db> {
    static void close(db& c) { db_close(&c); }
    static bool closed(const db&) noexcept { return false; }
    static bool unblocked(const db&) noexcept { return true; }
};

#ifdef POOL_MISUSE_FIXED
template <>
struct pool::connection_traits<std::shared_ptr<db>> {
    static void close(std::shared_ptr<db>& c) { c.reset(); }
    static bool closed(const std::shared_ptr<db>& c) noexcept { return c == nullptr; }
    static bool unblocked(const std::shared_ptr<db>&) noexcept { return true; }
};
#endif

pool::connection_pool<int, std::shared_ptr<db>> sessions;
