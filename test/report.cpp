// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <list>
#include <mutex>
#include <new>
#include <sstream>
#include <string>

#include <doctest/doctest.h>
#include <range/v3/range/primitives.hpp>

#include <pool/pool.hpp>
#include <pool/report.hpp>
#include <pool/sharded_pool.hpp>
#include <pool/testing/fake_dialer.hpp>

#include <support/requests.hpp>

// A pool on one screen, and who waits.

namespace reporting {

using namespace std::chrono_literals;
using pool::testing::fake_connection;

template <class Capacity>
using pool_of =
    pool::basic_pool<std::string, fake_connection, Capacity, pool::never, std::mutex, pool::manual_clock>;
using open_pool = pool_of<pool::bounded_open>;

/// A caller without a thread.
struct caller final : requests::request<open_pool> {
    caller() : request{false} {}
    bool notified() noexcept override { return true; }
};

/// Callers that wait until the end.
struct callers {
    explicit callers(open_pool& its) : conns{its} {}
    ~callers() {
        for (caller& each : all) requests::cancel(conns, each);
    }
    void ask(const char* key) { requests::submit(conns, all.emplace_back(), key); }

    open_pool& conns;
    std::list<caller> all;
};

TEST_CASE("report: bounds, figures, busiest keys, who waits, and what is lent for too long") {
    pool::testing::fake_dialer dials;
    pool::manual_clock clock;
    open_pool conns{{.max_open = 3, .max_idle = 2, .max_waiting = 9}, {}, {.name = "db", .trace_leases = true}, dials, clock};
    auto old = conns.acquire("a");
    clock.advance(1min);
    auto young = conns.acquire("b");
    conns.acquire("b").give_back();
    auto idle = conns.acquire("b");
    callers waiting{conns};
    waiting.ask("c");
    clock.advance(3s);
    waiting.ask("c");
    waiting.ask("a");
    clock.advance(1s);
    std::string text = pool::report(conns);
    const auto where = text.find(" by ");
    REQUIRE(where != std::string::npos);
    text.erase(where, text.find(", open for 1.07 min") - where);  // the place of this file
    CHECK(text == "pool \"db\": at most 3 open, 2 idle, 9 waiting\n"
                  "figures: lent 3, waiting 3, keys 2, hits 1, misses 3, dials 3, puts 1\n"
                  "busiest: \"b\": 0 idle, 2 lent\n"
                  "         \"a\": 0 idle, 1 lent\n"
                  "waiting: \"c\": 2 wait, the first for 4 s\n"
                  "         \"a\": 1 waits for 1 s\n"
                  "lent for too long: \"a\": lent for 1.07 min, open for 1.07 min, used 0 times\n");
}

TEST_CASE("report: of an idle pool without bounds, and of one that has done nothing") {
    pool_of<pool::unlimited> conns{{}, {}, {.name = "cache"}};
    CHECK(pool::report(conns) == "pool \"cache\": no bounds\nfigures: nothing\n");
    pool::testing::fake_dialer dials;
    conns.put("a", dials("a"));
    std::ostringstream out;
    pool::report(conns, out);
    CHECK(out.str() == "pool \"cache\": no bounds\nfigures: idle 1, keys 1, puts 1\nbusiest: \"a\": 1 idle, 0 lent\n");
}

TEST_CASE("report: no more than asked for") {
    pool::testing::fake_dialer dials;
    pool::manual_clock clock;
    pool_of<pool::bounded> conns{{.max_idle = 9}, {}, {.trace_leases = true}, clock};
    for (const char* key : {"a", "b", "c"}) conns.put(key, dials(key));
    auto first = conns.acquire("a", dials);
    clock.advance(1s);
    auto second = conns.acquire("b", dials);
    clock.advance(10s);
    std::istringstream text{pool::report(conns, {.keys = 1, .leases = 1, .lent_for = 5s})};
    std::string line;
    std::getline(text, line);
    CHECK(line == "pool \"\": at most 9 idle");
    std::getline(text, line);
    std::getline(text, line);
    CHECK(line == "busiest: \"a\": 0 idle, 1 lent");
    std::getline(text, line);
    CHECK(line == "         and 2 more");
    std::getline(text, line);
    CHECK(line.find("lent for too long: \"a\": lent for 11 s by ") == 0);
    std::getline(text, line);
    CHECK(line == "                   and 1 more");
    CHECK(!std::getline(text, line));
}

TEST_CASE("report: a sharded pool has the bounds of its shards together") {
    pool::sharded_pool<4, std::string, fake_connection, pool::bounded> conns{{.max_idle = 8}, {}, {.name = "s"}};
    CHECK(pool::report(conns).find("pool \"s\": at most 8 idle\n") == 0);
}

TEST_CASE("report: what a higher bound would have saved") {
    pool::testing::fake_dialer dials;
    pool_of<pool::bounded> conns{{.max_idle_per_key = 2}, {}, {.name = "cache", .ghosts = true}};
    const auto ask = [&](int callers) {
        std::list<pool_of<pool::bounded>::lease_type> all;
        for (int n = 0; n != callers; ++n) all.push_back(conns.acquire("a", dials));
    };
    ask(2);
    CHECK(pool::report(conns).find("savings") == std::string::npos);
    ask(3);
    ask(3);
    CHECK(pool::report(conns).find("\nsavings: 25 % of dials would be saved by .max_idle_per_key = 3\nbusiest: ") !=
          std::string::npos);
}

TEST_CASE("report: a pool of one peer") {
    pool::testing::fake_dialer dials;
    pool::basic_pool<pool::no_key, fake_connection> conns{{}, {}, {.name = "one"}, dials};
    conns.acquire().give_back();
    CHECK(pool::report(conns).find("busiest: 1 idle, 0 lent\n") != std::string::npos);
}

TEST_CASE("waiting: nobody does in a pool that bounds what is idle") {
    pool_of<pool::bounded> conns;
    CHECK(ranges::empty(pool::waiting(conns)));
}

TEST_CASE("waiting: each key once, and the longest first, whatever their number") {
    pool::testing::fake_dialer dials;
    pool::manual_clock clock;
    open_pool conns{{.max_open = 1}, {}, {}, dials, clock};
    auto lent = conns.acquire("held");
    callers all{conns};
    for (int n = 0; n != 300; ++n) {
        all.ask(std::to_string(n % 150).c_str());
        clock.advance(1ms);
    }
    const auto seen = pool::waiting(conns);
    REQUIRE(ranges::distance(seen) == 150);
    CHECK(seen.begin()->key == "0");
    CHECK(seen.begin()->longest == 300ms);
    CHECK(seen.begin()->callers == 2);
    for (const auto& each : seen) CHECK(each.longest == 300ms - std::stoi(each.key) * 1ms);
}

}  // namespace reporting
