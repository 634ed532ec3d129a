// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>

#include <pool/pool.hpp>

/// @file
/// A database session that is checked, reset and kept alive, for docs/operations.md. Each region is quoted there.

namespace {

using namespace std::chrono_literals;

struct nothing_was_sent : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class session {
public:
    std::string query(const std::string& text) {
        if (!is_open_) throw nothing_was_sent{"the server has closed the session"};
        is_in_transaction_ = text == "begin" || (is_in_transaction_ && text != "rollback");
        return "done";
    }
    bool is_in_transaction() const noexcept { return is_in_transaction_; }

    void close() { is_open_ = false; }
    bool closed() const noexcept { return !is_open_; }
    bool unblocked() const noexcept { return true; }

private:
    bool is_open_ = true;
    bool is_in_transaction_ = false;
};

}  // namespace

// [traits]
template <>
struct pool::connection_traits<session> : pool::member_connection_traits<session> {
    static bool healthy(session& s) { return s.query("select 1") == "done"; }  // before it is lent
    static void reset(session& s) {                                            // when it is given back
        if (s.is_in_transaction()) s.query("rollback");
    }
    static void keep_alive(session& s) { s.query("select 1"); }  // while it is idle
};
// [/traits]

namespace {

session open_session(const std::string&) { return {}; }

// [settings]
using sessions = pool::basic_pool<std::string, session, pool::bounded_open, pool::after_idle>;

sessions open_pool() {
    return sessions{{.max_open = 8}, 10min,
        {
            .check_after = 5s,        // one that was used a moment ago is not checked
            .keep_alive_every = 60s,  // a firewall forgets a connection that is silent for longer
        }};
}
// [/settings]

// [retry]
std::string now(sessions& conns) {
    auto db = conns.get("db:5432", open_session);
    const auto is_safe = [](const std::exception& error) {
        return dynamic_cast<const nothing_was_sent*>(&error) != nullptr;
    };
    return db.invoke(pool::retry_stale{is_safe}, [](session& s) { return s.query("select now()"); });
}
// [/retry]

}  // namespace

int main() {
    sessions conns = open_pool();
    {
        auto lent = conns.acquire("db:5432", open_session);
        lent->query("begin");  // and then forgets it
    }
    const bool is_clean = !conns.acquire("db:5432", open_session)->is_in_transaction();
    const bool is_fresh = !conns.acquire_fresh("db:5432", open_session).reused();
    return is_clean && is_fresh && now(conns) == "done" && conns.stats().failed_resets == 0 ? 0 : 1;
}
