// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <pool/pool.hpp>

/// @file
/// The code of docs/operations.md. Each region is quoted there.

namespace {

using namespace std::chrono_literals;

struct answer_rows {  // a stream: rows of a query
    int left = 3;

    std::optional<int> next() { return left == 0 ? std::nullopt : std::optional{left--}; }
    bool done() noexcept { return left == 0; }
};

struct database {  // a connection
    bool open = true;

    int call(const std::string& request) { return static_cast<int>(request.size()); }
    answer_rows query(const std::string&) { return {}; }

    void close() { open = false; }
    bool closed() const noexcept { return !open; }
    bool unblocked() const noexcept { return true; }
};

using connections = pool::basic_pool<std::string, database, pool::bounded, pool::after_idle>;

database dial(const std::string&) { return {}; }

// [own_dial]
using databases = pool::bounded_pool<std::string, database>;

int with_a_dial_of_its_own() {
    databases conns{{.max_open = 16, .max_open_per_key = 4, .acquire_timeout = 5s, .expiration = 5min}, dial};

    const auto ping = [](database& db) { return db.call("ping"); };
    int sum = conns.invoke("db:5432", ping);       // lends or dials, calls, gives back
    sum += conns.invoke("db:5433", 200ms, ping);   // or throws pool::acquire_timeout
    auto conn = conns.acquire("db:5432");          // a lease
    auto other = conns.acquire("db:5432", 200ms);  // or throws pool::acquire_timeout
    auto peer = conns.get("db:5432");              // a lazy connection
    return sum + conn->call("ping") + peer.invoke(ping);
}
// [/own_dial]

// [ahead]
void start(databases& conns) {
    const auto warm = conns.prewarm("db:5432", 4, {.deadline = std::chrono::steady_clock::now() + 5s});
    if (warm.error)
        std::rethrow_exception(warm.error);  // the database cannot be reached: say so before the first request
    conns.min_idle("db:5432", 2);            // from now on, the reaper opens what is missing
}
// [/ahead]

// [down]
database connect(const std::string& host, const pool::dial_context& context);  // heeds the deadline of its context

databases databases_that_may_be_down() {
    const pool::backing_off dial{pool::timed(3s, connect), {.first = 100ms, .most = 30s, .factor = 2, .jitter = 0.2}};
    return databases{{.max_open = 16, .acquire_timeout = 5s}, dial};
}
// [/down]

database connect(const std::string&, const pool::dial_context& context) {
    if (context.deadline > std::chrono::steady_clock::now() + 3s) throw std::logic_error{"the dial has no limit"};
    return {};
}

// [down_test]
int dials_of_a_server_that_is_down() {
    pool::manual_clock clock;
    int dials = 0;
    const auto refused = [&dials](const std::string&) -> database {
        ++dials;
        throw std::runtime_error{"connection refused"};
    };
    connections conns{pool::bounded{.max_idle_per_key = 2}, 30s, {}, pool::backing_off{refused, {.jitter = 0}, clock}};
    for (int i = 0; i != 300; ++i) {
        try {
            (void)conns.acquire("db:5432");
        } catch (const std::runtime_error&) {  // "connection refused", each time
        }
        clock.advance(1ms);
    }
    return dials;  // 2: at the begin, and after 100 ms; the next one is due after 300 ms
}
// [/down_test]

// [lazy]
int through_a_lazy_connection(connections& conns) {
    auto peer = conns.get("db:5432", dial);                               // no connection yet
    int sum = peer.invoke([](database& db) { return db.call("ping"); });  // lends or dials, calls, gives back

    auto rows = peer.open_stream([](database& db) { return db.query("select"); });
    while (auto row = rows.next()) sum += *row;  // the connection is back when the stream is done
    return sum;
}
// [/lazy]

// [leases]
void with_leases(connections& conns) {
    auto conn = conns.acquire("db:5432", dial);  // a lease: an idle connection, or a new one
    conn->call("ping");
    conn.give_back();  // or the end of its scope

    if (auto idle = conns.try_acquire("db:5432")) {  // an idle connection, or an empty lease
        idle.discard();                              // closes it instead of giving it back
    }

    auto kept = conns.acquire("db:5432", dial);
    database mine = kept.detach();  // the caller keeps it, and the pool forgets it
    mine.close();
}
// [/leases]

// [anew]
void after_a_failover(databases& conns) {
    conns.invalidate();                                // nothing is lent any more that is open now
    conns.invalidate("db:5432");                       // the same for one key
    conns.invalidate("db:5432", {.interrupt = true});  // and does not wait for dials to a server that has gone
    conns.invalidate({.interrupt = true, .fail_waiting = true});  // and those that wait fail at once
}
// [/anew]

// [raw]
void by_hand(connections& conns) {
    conns.put("db:5432", database{});                      // into the pool
    std::optional<database> mine = conns.take("db:5432");  // out of it
    if (mine) mine->close();
}
// [/raw]

// [maintenance]
void maintenance(connections& conns) {
    conns.reserve(1'000);  // the index of keys need not grow until there are more connections
    conns.reconfigure(pool::bounded{.max_idle = 64, .max_idle_per_key = 5});  // takes effect at once

    std::size_t closed = conns.expire();  // closes what is due; a reaper does it for you
    auto next = conns.next_expiry();      // when to call expire() again
    closed += conns.clear("db:5432");     // closes what is idle of one key
    closed += conns.clear();              // closes all that is idle
    static_cast<void>(next);

    const pool::stats all = conns.stats();
    const pool::key_stats one = conns.stats("db:5432");
    if (all.failed_closes == 0 && one.idle == 0 && closed > 0) conns.close().rethrow();  // all errors in one exception
}
// [/maintenance]

// [fail_over]
void fail_over(databases& conns, const std::function<void()>& move_server) {
    conns.pause(pool::wait_for_resume);  // callers wait from now on, within their deadlines
    move_server();
    conns.invalidate();  // what is open is of the old server
    conns.resume();      // callers are served in their order
}
// [/fail_over]

int after_a_fail_over() {
    databases conns{{.max_open = 2}, dial};
    (void)conns.acquire("db:5432");
    fail_over(conns, [&] {
        try {
            (void)conns.acquire("db:5432", 1ms);
        } catch (const pool::acquire_timeout&) {  // it has waited for resume
            (void)conns.prewarm("db:5432", 2);    // opens nothing
        }
    });
    (void)conns.acquire("db:5432");
    return static_cast<int>(conns.stats().dials);  // 2: one for each server
}

// [pauses]
/// A dial for `min_idle`. If it fails, what is idle is closed, and callers fail at once.
auto pauses_if_it_fails(auto& conns, auto dial) {
    return [&conns, dial](const std::string& host) mutable {
        try {
            return dial(host);
        } catch (...) {
            conns.invalidate();
            conns.pause();
            throw;
        }
    };
}
// [/pauses]

bool is_paused_by_a_failed_dial() {
    bool is_down = false;
    const auto dial_or_fail = [&](const std::string& host) {
        if (is_down) throw std::runtime_error{"connection refused"};
        return dial(host);
    };
    connections conns{pool::bounded{.max_idle_per_key = 2}, 30s};
    conns.min_idle("db:5432", 2, pauses_if_it_fails(conns, dial_or_fail));
    conns.upkeep();
    auto lent = conns.acquire("db:5432", dial_or_fail);
    is_down = true;
    conns.upkeep();
    bool is_right = conns.is_paused() && conns.stats().idle == 0 && conns.stats().failed_dials == 1;
    try {
        (void)conns.acquire("db:5432", dial_or_fail);
        is_right = false;
    } catch (const pool::pool_paused&) {
    }
    conns.upkeep();  // dials nothing
    is_right = is_right && conns.stats().failed_dials == 1;

    is_down = false;
    conns.resume();
    conns.upkeep();
    return is_right && !conns.is_paused() && conns.stats().idle == 2;
}

}  // namespace

int main() {
    connections conns{pool::bounded{.max_idle_per_key = 2}, 30s};
    const int sum = through_a_lazy_connection(conns);
    const int own = with_a_dial_of_its_own();
    const int limited = databases_that_may_be_down().invoke("db:5432", [](database& db) { return db.call("ping"); });
    databases warm = databases_that_may_be_down();
    start(warm);
    const bool is_warm = warm.stats("db:5432").idle == 4;
    after_a_failover(warm);
    const bool is_anew = warm.stats().invalidated == 4;
    const int dials = dials_of_a_server_that_is_down();
    const bool stands_still = after_a_fail_over() == 2 && is_paused_by_a_failed_dial();
    with_leases(conns);
    by_hand(conns);
    conns.put("db:5432", database{});
    maintenance(conns);
    const bool is_right = is_warm && is_anew && stands_still && dials == 2 && conns.stats().cleared == 1;
    return sum == 10 && own == 16 && limited == 4 && is_right ? 0 : 1;
}
