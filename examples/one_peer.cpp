// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <cstddef>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <pool/pool.hpp>

/// @file
/// A program that talks to one peer: a database that allows four sessions. Its pool needs no key, and is told only once
/// how to open a session. The program shows each way to use one: a call, a lease, a lazy connection, many threads. It
/// also shows the errors of a database that is busy, and the end.

namespace {

using namespace std::chrono_literals;

/// The database: it counts its sessions.
struct server {
    std::atomic<int> sessions{0};
    std::atomic<int> most{0};
};

// [session]
class session {  // yours: what a client library gives you
public:
    static session connect(std::shared_ptr<server> to) {
        const int now = ++to->sessions;
        for (int seen = to->most; seen < now && !to->most.compare_exchange_weak(seen, now);) {}
        return session{std::move(to)};
    }

    std::string query(const std::string& text) { return "rows of " + text; }

    void close() { --std::exchange(server_, nullptr)->sessions; }
    bool closed() const noexcept { return server_ == nullptr; }
    bool unblocked() const noexcept { return true; }

private:
    explicit session(std::shared_ptr<server> to) : server_{std::move(to)} {}

    std::shared_ptr<server> server_;
};
// [/session]

// [pool]
using database = pool::bounded_pool<pool::no_key, session>;

database open_database(const std::shared_ptr<server>& to) {
    const pool::bounded_pool_options options{
        .max_open = 4,          // the limit of the database
        .acquire_timeout = 5s,  // how long a call waits for a session
        .expiration = 5min,     // how long a session may be idle
        .name = "db",           // for the errors
    };
    return database{options, [to] { return session::connect(to); }};
}
// [/pool]

// [calls]
void use(database& db) {
    // Most programs need only this: borrow a session, call it, give it back.
    std::cout << db.invoke([](session& s) { return s.query("users"); }) << '\n';

    // A lease, for several calls on one session. It is given back at the end of its scope.
    {
        const auto transaction = db.acquire();
        transaction->query("begin");
        transaction->query("insert");
        transaction->query("commit");
    }

    // A lazy connection, to hand to code that needs a session now and then. It borrows one for each call.
    auto lazy = db.get();
    std::cout << lazy.invoke([](session& s) { return s.query("orders"); }) << '\n';

    // A call with a timeout of its own.
    db.invoke(200ms, [](session& s) { return s.query("a report"); });
}
// [/calls]

void use_by_many_threads(database& db) {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 16; ++i) {
        threads.emplace_back([&db] {
            for (int call = 0; call < 100; ++call) db.invoke([](session& s) { return s.query("stock"); });
        });
    }
}

// [busy]
void use_while_busy(database& db) {
    std::vector<database::lease_type> all;
    for (int i = 0; i < 4; ++i) all.push_back(db.acquire());

    if (!db.try_acquire()) std::cout << "no session is idle\n";  // never waits
    try {
        db.invoke(1ms, [](session& s) { return s.query("one more"); });
    } catch (const pool::acquire_timeout& error) {
        std::cout << error.what() << '\n';
    }
}
// [/busy]

// [end]
std::size_t end(database& db) {
    db.close().rethrow();                                     // ends all waiting, and closes what is idle
    return db.drain(10s);  // waits for what is lent
}
// [/end]

}  // namespace

int main() {
    const auto to = std::make_shared<server>();
    database db = open_database(to);
    use(db);
    use_by_many_threads(db);
    use_while_busy(db);
    const std::size_t left = end(db);
    std::cout << "at most 4 sessions: " << std::boolalpha << (to->most <= 4) << "; " << left << " lent, "
              << to->sessions << " open\n";
}
