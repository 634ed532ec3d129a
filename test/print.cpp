// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <sstream>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <pool/connection_info.hpp>
#include <pool/core/duration_text.hpp>
#include <pool/fmt.hpp>
#include <pool/pool.hpp>
#include <pool/print.hpp>
#include <pool/testing/fake_dialer.hpp>

// Figures, connections and keys as text.

using namespace std::chrono_literals;

namespace printing {

/// A key with a secret.
struct account {
    std::string host;
    std::string password;
    friend bool operator==(const account&, const account&) = default;
};

template <class T>
std::string printed(const T& value) {
    std::ostringstream out;
    out << value;
    CHECK(to_string(value) == out.str());
    CHECK(fmt::format("{}", value) == out.str());
    return out.str();
}

}  // namespace printing

template <>
struct pool::key_traits<printing::account> {
    using view = const printing::account&;
    static std::size_t hash(view key) noexcept { return std::hash<std::string>{}(key.host); }
    static bool equal(view a, view b) noexcept { return a == b; }
    static std::string describe(view key) { return key.host; }
};

namespace printing {

TEST_CASE("print: times have three digits, in the largest unit of which there is one") {
    const auto text = [](std::chrono::nanoseconds time) { return pool::core::duration_text(time); };
    CHECK(text(0ns) == "0 ns");
    CHECK(text(999ns) == "999 ns");
    CHECK(text(1'500ns) == "1.5 us");
    CHECK(text(340ms) == "340 ms");
    CHECK(text(1'234ms) == "1.23 s");
    CHECK(text(35s) == "35 s");
    CHECK(text(150s) == "2.5 min");
    CHECK(text(126min) == "2.1 h");
    CHECK(text(36h) == "1.5 d");
    CHECK(text(-2s) == "-2 s");
}

TEST_CASE("print: the figures of a pool, without those that are zero") {
    CHECK(printed(pool::stats{}) == "nothing");
    pool::testing::fake_dialer dials;
    pool::basic_pool<std::string, pool::testing::fake_connection, pool::bounded> conns;
    conns.acquire("a", dials).give_back();
    const auto lent = conns.acquire("b", dials);
    CHECK(printed(conns.stats()) == "idle 1, lent 1, keys 2, misses 2, dials 2, puts 1");
    CHECK(printed(conns.stats("b")) == "lent 1");
    CHECK(printed(pool::stats{.total_wait = 1'500ms, .longest_wait = 1s}) == "total wait 1.5 s, longest wait 1 s");
}

TEST_CASE("print: every figure has a name of its own") {
    // Each is counted here: a new figure makes this list too short.
    const pool::stats all{.hits = 1, .misses = 1, .dials = 1, .failed_dials = 1, .outdated_dials = 1,
        .skipped_blocked = 1, .puts = 1, .refused = 1, .evicted = 1, .expired = 1, .cleared = 1, .invalidated = 1,
        .found_closed = 1, .found_unhealthy = 1, .failed_keep_alives = 1, .kept_alive = 1, .discarded = 1,
        .detached = 1, .failed_resets = 1, .failed_closes = 1, .lost_events = 1, .failed_events = 1, .idle = 1,
        .lent = 1, .checking = 1, .closing = 1, .keys = 1, .idle_weight = 1, .dialing = 1, .waiting = 1,
        .overtaken = 1, .timed_out = 1, .cancelled = 1, .queue_full = 1, .total_wait = 1ns, .longest_wait = 1ns};
    const std::string text = printed(all);
    CHECK(std::count(text.begin(), text.end(), ',') + 1 == 36);
    static_assert(sizeof(pool::stats) == 36 * 8, "a figure is new: print it, and count it here");
}

TEST_CASE("print: a connection in one line") {
    pool::connection_info<std::string> c{.key = "db", .state = pool::connection_state::idle};
    CHECK(printed(c) == "\"db\": idle");
    c.idle_for = 340ms;
    c.age = 150s;
    c.uses = 1;
    CHECK(printed(c) == "\"db\": idle for 340 ms, open for 2.5 min, used 1 time");
    c = {.key = "db", .state = pool::connection_state::lent, .lent_for = 35s, .uses = 17};
    c.where = pool::call_site::current();
    const std::string here = c.where->file_name() + std::string{':'} + std::to_string(c.where->line());
    CHECK(printed(c) == "\"db\": lent for 35 s by " + here + ", used 17 times");
    CHECK(printed(pool::connection_state::dialling) == "dialling");
    CHECK(printed(pool::connection_state::closing) == "closing");
}

TEST_CASE("print: the connections of a key in one line") {
    CHECK(printed(pool::key_count<int>{.key = 7, .idle = 3, .lent = 2}) == "7: 3 idle, 2 lent");
    CHECK(printed(pool::key_count<int>{.key = 7, .dialling = 1, .closing = 2}) ==
          "7: 0 idle, 0 lent, 1 dialling, 2 closing");
}

TEST_CASE("print: a pool without keys prints none") {
    CHECK(printed(pool::connection_info<pool::no_key>{.key = pool::no_key{}}) == "dialling");
    CHECK(printed(pool::key_count<pool::no_key>{.key = pool::no_key{}, .idle = 1}) == "1 idle, 0 lent");
}

TEST_CASE("print: a key is shown as its traits say, in messages, too") {
    const account key{"db:5432", "secret"};
    using seeded = pool::seeded_key<account>;
    CHECK(printed(pool::connection_info<seeded>{.key = seeded{key}}) == "db:5432: dialling");
    CHECK(printed(pool::connection_info<account>{.key = key}) == "db:5432: dialling");
    pool::basic_pool<account, pool::testing::fake_connection> conns;
    conns.close();
    try {
        (void)conns.acquire(key, [](const account&) -> pool::testing::fake_connection { throw 1; });
        FAIL("it is closed");
    } catch (const pool::pool_closed& error) {
        const std::string text = error.what();
        CHECK(text.find("db:5432") != text.npos);
        CHECK(text.find("secret") == text.npos);
    }
}

}  // namespace printing
