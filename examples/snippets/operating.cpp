// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <stdexcept>
#include <string>

#include <pool/pool.hpp>

/// @file
/// The code of docs/operating.md. Each region is quoted there.

using namespace std::chrono_literals;

/// A connection of a client library.
struct session {
    bool is_open = true;
    bool in_transaction = false;

    bool execute(const std::string& statement) {
        if (statement == "BEGIN") in_transaction = true;
        if (statement == "ROLLBACK") in_transaction = false;
        return is_open;
    }
    void close() { is_open = false; }
    bool closed() const noexcept { return !is_open; }
    bool released() const noexcept { return !is_open; }
    bool unblocked() const noexcept { return true; }
};

// [hooks]
template <>
struct pool::connection_traits<session> : pool::member_connection_traits<session> {
    static bool healthy(session& s) { return s.execute("SELECT 1"); }
    static void reset(session& s) {
        if (!s.execute("ROLLBACK")) throw std::runtime_error{"the session cannot be rolled back"};
    }
};
// [/hooks]

namespace {

session connect(const pool::dial_context& /*context*/) { return {}; }

// [database]
using database = pool::bounded_pool<pool::no_key, session>;

database make_database() {
    return database{{.max_open = 16,
                        .acquire_timeout = 1s,
                        .expiration = 5min,
                        .lifetime = 30min,
                        .check_after = 30s,
                        .name = "db"},
        pool::backing_off{pool::timed(3s, connect)}};
}
// [/database]

}  // namespace

int main() {
    database db = make_database();
    const bool is_warm = db.prewarm(4).opened == 4;
    db.min_idle(2);  // after it: the reaper dials, too
    const bool is_answered = db.invoke([](session& s) { return s.execute("BEGIN"); });
    return is_warm && is_answered && db.stats().failed_resets == 0 ? 0 : 1;
}
