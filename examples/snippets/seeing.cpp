// SPDX-License-Identifier: BSL-1.0
// The code of docs/seeing.md.
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <string>

#include <fmt/format.h>
#include <range/v3/view/take.hpp>

// [include]
#include <pool/fmt.hpp>
#include <pool/inspect.hpp>
#include <pool/pool.hpp>
#include <pool/report.hpp>
// [/include]

using namespace std::chrono_literals;

namespace {

struct session {
    void close() {}
    bool closed() const noexcept { return false; }
    bool unblocked() const noexcept { return true; }
};
session dial(const std::string&) { return {}; }

pool::manual_clock the_clock;
using sessions = pool::basic_pool<std::string, session, pool::bounded_open, pool::never, std::mutex, pool::manual_clock>;

// [leaks]
void report_leaks(const sessions& conns) {
    for (const auto& c : pool::inspect(conns) | pool::views::lent_longer_than(30s)) fmt::print("{}\n", c);
}
// [/leaks]

// [busiest]
void report_keys(const sessions& conns) {
    for (const auto& key : pool::inspect(conns) | pool::views::by_key | ranges::views::take(3)) fmt::print("{}\n", key);
}
// [/busiest]

void observe() {
    // [observed]
    const auto on_event = [](const pool::event& e) {
        if (e.kind == pool::event_kind::retired) fmt::print("{}: {}, {}\n", e.pool, e.key.text(), e.why);
        if (e.kind == pool::event_kind::dial_failed) fmt::print("{}\n", e);
    };
    sessions conns{pool::bounded_open{.max_open = 16}, {}, {.name = "db", .on_event = on_event}, the_clock};
    // [/observed]
    conns.acquire("db-1:5432", dial).give_back();
    conns.invalidate();
    const auto refuse = [](const std::string&) -> session { throw std::runtime_error{"connection refused"}; };
    try {
        (void)conns.acquire("db-2:5432", refuse);
    } catch (const std::runtime_error&) {
    }
}

using caches = pool::connection_pool<std::string, session, pool::manual_clock>;

/// Three callers at once need more connections than one key may keep.
void advise() {
    // [savings]
    caches cache{{.key_capacity = 2, .name = "cache", .ghosts = true}, dial, the_clock};
    // [/savings]
    for (int round = 0; round != 100; ++round) {
        auto first = cache.acquire("cache-1:6379"), second = cache.acquire("cache-1:6379"), third = cache.acquire("cache-1:6379");
    }
    // [saved]
    fmt::print("{}\n", cache.savings());
    for (const pool::saving& each : cache.savings().all)
        fmt::print("{} {}, not {}: {} dials fewer\n", each.bound, each.to, each.from, each.dials);
    // [/saved]
    std::fflush(stdout);
    pool::report(cache, std::cout, {.keys = 1});
}

void figures(const sessions& conns) {
    // [figures]
    fmt::print("{}\n", conns.stats());                 // all keys
    std::cout << conns.stats("db-1:5432") << std::endl;  // one
    // [/figures]
}

void durations() {
    // [times]
    sessions conns{pool::bounded_open{.max_open = 16}, {}, {.name = "db", .histograms = true}, the_clock};
    // [/times]
    for (int i = 1; i <= 1'000; ++i) {
        const auto lent = conns.acquire("db-1:5432", dial);
        the_clock.advance(i * 10us);
    }
    // [uses]
    if (const auto times = conns.histograms()) fmt::print("uses: {}\n", times->use);
    // [/uses]
}

}  // namespace

// [secret]
/// A key that holds a secret says what may be shown.
struct account {
    std::string host;
    std::string password;
    friend bool operator==(const account&, const account&) = default;
};
template <>
struct pool::key_traits<account> : pool::seeded_key_traits<account> {
    static std::string describe(const account& key) { return key.host; }
};
// [/secret]

int main() {
    // [traced]
    sessions conns{pool::bounded_open{.max_open = 16}, {}, {.name = "db", .trace_leases = true}, the_clock};
    // [/traced]
    auto forgotten = conns.acquire("db-1:5432", dial);
    { auto used = conns.acquire("db-1:5432", dial); }
    auto busy = conns.acquire("db-2:5432", dial);
    the_clock.advance(35s);
    busy = conns.acquire("db-2:5432", dial);

    report_leaks(conns);
    report_keys(conns);
    std::fflush(stdout);
    figures(conns);
    // [report]
    pool::report(conns, std::cout);
    // [/report]
    fmt::print("{}\n", pool::connection_info<account>{.key = {"db-3:5432", "secret"}});
    std::fflush(stdout);
    observe();
    durations();
    advise();
}
