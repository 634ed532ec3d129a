// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstdint>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/dial/backing_off.hpp>
#include <pool/policies/clock.hpp>

#include <support/fake.hpp>
#include <support/leaks.hpp>
#include <support/refusing_server.hpp>

// When a dial is made, and when its caller fails at once. The times are exact, to the tick of the clock.

namespace {

using namespace std::chrono_literals;
using fake::try_to_dial;

const std::string db = "db";

/// A server that is down, and a dial that backs off from it.
struct down {
    explicit down(pool::backing_off_options options = {.first = 100ms, .most = 1s, .jitter = 0})
        : dial{server.dial(), options, clock} {}

    /// Expects that the probe of the key is due after this time, and makes it.
    void expect_delay(std::chrono::nanoseconds delay, const std::string& key = db) {
        CAPTURE(delay.count());
        const int before = server.dials.attempts();
        clock.advance(delay - 1ns);
        try_to_dial(dial, key);
        CHECK(server.dials.attempts() == before);
        clock.advance(1ns);
        try_to_dial(dial, key);
        CHECK(server.dials.attempts() == before + 1);
    }

    fake::refusing_server server;
    pool::manual_clock clock;
    pool::backing_off<decltype(server.dial()), pool::manual_clock> dial;
};

}  // namespace

TEST_CASE("backing_off: without failures, each call is a dial") {
    down all;
    all.server.up();
    for (int i = 0; i != 3; ++i) CHECK(try_to_dial(all.dial, db).empty());
    CHECK(all.server.dials.attempts() == 3);
    CHECK(all.dial.remembered() == 0);
}

TEST_CASE("backing_off: 992 dials of a server that is down become 2") {
    const auto dials = [](auto& server, auto& dial, pool::manual_clock clock) {
        for (int round = 0; round != 124; ++round) {  // eight callers, and 0.3 seconds in all
            for (int caller = 0; caller != 8; ++caller) try_to_dial(dial, db);
            clock.advance(300ms / 124);
        }
        return server.dials.attempts();
    };
    fake::refusing_server plain;
    auto dial = plain.dial();
    CHECK(dials(plain, dial, {}) == 992);
    down all;
    CHECK(dials(all.server, all.dial, all.clock) == 2);
}

TEST_CASE("backing_off: the first delay, its growth, and the longest one") {
    down all;
    try_to_dial(all.dial, db);
    for (const auto delay : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) all.expect_delay(delay);
}

TEST_CASE("backing_off: a delay begins when the dial ends") {
    down all;
    all.server.dials.each([&](const auto&) {
        all.clock.advance(5s);
        throw std::runtime_error{"no answer"};
    });
    try_to_dial(all.dial, db);
    all.expect_delay(100ms);
    all.expect_delay(200ms);
}

TEST_CASE("backing_off: a factor may be 1, a fraction, or infinite") {
    const auto delays = [](double factor, const std::vector<std::chrono::nanoseconds>& expected) {
        down all{{.first = 3ns, .most = 1s, .factor = factor, .jitter = 0}};
        try_to_dial(all.dial, db);
        for (const auto delay : expected) all.expect_delay(delay);
    };
    delays(1, {3ns, 3ns, 3ns});
    delays(1.5, {3ns, 5ns, 8ns, 12ns});  // a part of a tick is rounded up
    delays(std::numeric_limits<double>::infinity(), {3ns, 1s, 1s});
}

TEST_CASE("backing_off: by default, delays are from 100 ms to 30 s, double, and lack up to a fifth") {
    const pool::backing_off_options options;
    CHECK(options.first.value == 100ms);
    CHECK(options.most.value == 30s);
    CHECK(options.factor == 2);
    CHECK(options.jitter == 0.2);
    CHECK(options.seed == 0);
}

TEST_CASE("backing_off: jitter is drawn from the seed, and shortens each delay") {
    down all{{.first = 100ms, .most = 1s, .jitter = 0.5, .seed = 1234567}};
    try_to_dial(all.dial, db);
    // The first words of SplitMix64 for this seed are 6457827717110365317, 3203168211198807973, 9817491932198370423 and
    // 4593380528125082431. A word w shortens the delay by w / 2^64 of its half.
    all.expect_delay(100'000'000ns - 17'503'977ns);
    all.expect_delay(200'000'000ns - 17'364'409ns);
    all.expect_delay(400'000'000ns - 106'441'460ns);
    all.expect_delay(800'000'000ns - 99'603'062ns);
}

TEST_CASE("backing_off: jitter stays within its share") {
    for (std::uint64_t seed = 1; seed != 100; ++seed) {
        down all{{.first = 1000ns, .most = 1000ns, .jitter = 0.2, .seed = seed}};
        try_to_dial(all.dial, db);
        all.clock.advance(800ns);
        try_to_dial(all.dial, db);
        CHECK(all.server.dials.attempts() == 1);  // no delay is shorter than its share allows
        all.clock.advance(200ns);
        try_to_dial(all.dial, db);
        CHECK(all.server.dials.attempts() == 2);
    }
}

TEST_CASE("backing_off: without a seed, two of them do not agree") {
    const auto count = [](pool::backing_off_options options) {
        down all{std::move(options)};
        try_to_dial(all.dial, db);
        int steps = 0;
        for (; all.server.dials.attempts() == 1; ++steps) {
            all.clock.advance(1s);
            try_to_dial(all.dial, db);
        }
        return steps;
    };
    const pool::backing_off_options random{.first = 10'000s, .most = 10'000s, .jitter = 1};
    int differences = 0;
    for (int i = 0; i != 3; ++i) differences += count(random) != count(random);
    CHECK(differences > 0);
}

TEST_CASE("backing_off: a success resets the delay, and the key is dialled as before") {
    down all;
    try_to_dial(all.dial, db);
    all.expect_delay(100ms);
    all.clock.advance(200ms);
    all.server.up();
    for (int i = 0; i != 3; ++i) CHECK(try_to_dial(all.dial, db).empty());
    CHECK(all.dial.remembered() == 0);
    all.server.down();
    try_to_dial(all.dial, db);
    all.expect_delay(100ms);
}

TEST_CASE("backing_off: keys do not know of each other") {
    down all;
    try_to_dial(all.dial, db);
    all.clock.advance(50ms);
    CHECK(try_to_dial(all.dial, std::string{"cache"}) == "refused 2");
    CHECK(try_to_dial(all.dial, db) == "refused 1");
    CHECK(all.dial.remembered() == 2);
    all.clock.advance(50ms);
    CHECK(try_to_dial(all.dial, db) == "refused 3");
    CHECK(try_to_dial(all.dial, std::string{"cache"}) == "refused 2");
    CHECK(try_to_dial(all.dial, 1) == "refused 4");  // a key of another type
}

TEST_CASE("backing_off: copies share what they know") {
    down all;
    auto copy = all.dial;
    const auto moved_later = copy;
    try_to_dial(all.dial, db);
    CHECK(try_to_dial(copy, db) == "refused 1");
    CHECK(try_to_dial(moved_later, db) == "refused 1");
    all.clock.advance(100ms);
    all.server.up();
    CHECK(try_to_dial(copy, db).empty());
    CHECK(try_to_dial(all.dial, db).empty());
}

TEST_CASE("backing_off: while the probe runs, others fail at once, also after the end of the delay") {
    down all;
    try_to_dial(all.dial, db);
    all.clock.advance(100ms);
    all.server.dials.next([&](const auto&) {
        all.clock.advance(1h);
        CHECK(try_to_dial(all.dial, db) == "refused 1");
        throw std::runtime_error{"the probe"};
    });
    CHECK(try_to_dial(all.dial, db) == "the probe");
    CHECK(try_to_dial(all.dial, db) == "the probe");
    all.expect_delay(200ms);
    CHECK(all.server.dials.attempts() == 3);
}

TEST_CASE("backing_off: a dial that was under way when the key began to fail changes nothing") {
    down all;
    all.server.dials.next([&](const auto&) {
        CHECK(try_to_dial(all.dial, db) == "refused 2");
        all.clock.advance(50ms);
        throw std::runtime_error{"late"};
    });
    CHECK(try_to_dial(all.dial, db) == "late");
    CHECK(try_to_dial(all.dial, db) == "refused 2");
    all.expect_delay(50ms);
    all.expect_delay(200ms);
}

TEST_CASE("backing_off: a dial that was under way when the key began to fail, and succeeds, resets it") {
    down all;
    all.server.dials.next([&](const auto&) { CHECK(try_to_dial(all.dial, db) == "refused 2"); });
    CHECK(try_to_dial(all.dial, db).empty());
    CHECK(all.dial.remembered() == 0);
    CHECK(try_to_dial(all.dial, db) == "refused 3");
}

TEST_CASE("backing_off: a clock that stands still, or goes back, is harmless [C18]") {
    down all;
    try_to_dial(all.dial, db);
    for (int i = 0; i != 3; ++i) CHECK(try_to_dial(all.dial, db) == "refused 1");
    all.clock.advance(-10s);
    CHECK(try_to_dial(all.dial, db) == "refused 1");
    all.clock.advance(10s);
    all.expect_delay(100ms);
}

TEST_CASE("backing_off: times saturate [C18]") {
    constexpr auto longest = std::chrono::nanoseconds::max();
    down all{{.first = std::chrono::hours::max(), .most = std::chrono::hours::max(), .factor = 1e300, .jitter = 0}};
    all.clock.set(pool::manual_clock::time_point{1s});
    try_to_dial(all.dial, db);
    all.clock.advance(longest - 2s);
    CHECK(try_to_dial(all.dial, db) == "refused 1");
    all.clock.set(pool::manual_clock::time_point::max());
    CHECK(try_to_dial(all.dial, db) == "refused 2");
}

TEST_CASE("backing_off: a key that has not failed for twice the longest delay is forgotten") {
    down all;
    try_to_dial(all.dial, db);
    all.expect_delay(100ms);
    all.clock.advance(2s - 1ns);
    CHECK(try_to_dial(all.dial, db) == "refused 3");  // a probe, after which the third delay begins
    all.expect_delay(400ms);
    all.clock.advance(2s);
    CHECK(try_to_dial(all.dial, db) == "refused 5");
    all.expect_delay(100ms);
}

TEST_CASE("backing_off: forgotten keys do not pile up, whoever dials [C17]") {
    down all;
    for (int i = 0; i != 1000; ++i) try_to_dial(all.dial, i);
    CHECK(all.dial.remembered() == 1000);
    all.clock.advance(2s);
    all.server.up();
    for (int i = 0; i != 500; ++i) try_to_dial(all.dial, db);
    CHECK(all.dial.remembered() == 0);
}

namespace {

/// A lock that another thread may have taken.
struct lock_of_the_parent {
    void lock() { REQUIRE_FALSE(std::exchange(is_locked, true)); }
    void unlock() { is_locked = is_taken; }

    bool is_locked = false;
    static inline bool is_taken = false;  ///< it stays locked
};

}  // namespace

TEST_CASE("backing_off: after an abandon no key fails, whatever another thread was doing [C27]") {
    const leaks_on_purpose leaks;
    fake::refusing_server server;
    pool::manual_clock clock;
    pool::backing_off<decltype(server.dial()), pool::manual_clock, lock_of_the_parent> dial{
        server.dial(), {.jitter = 0}, clock};
    auto copy = dial;
    try_to_dial(dial, db);
    lock_of_the_parent::is_taken = true;
    CHECK(dial.remembered() == 1);
    lock_of_the_parent::is_taken = false;
    copy.abandon();
    CHECK(dial.remembered() == 0);
    const int before = server.dials.attempts();
    try_to_dial(dial, db);
    CHECK(server.dials.attempts() == before + 1);
    CHECK(dial.remembered() == 1);
}

TEST_CASE("backing_off: the probe of a thread that has gone is forgotten by an abandon [C27]") {
    const leaks_on_purpose leaks;
    pool::manual_clock clock;
    pool::core::back_off<pool::manual_clock, std::mutex> keys{{100ms, 1s, 2}, {0, 1}, {}, clock};
    const pool::core::typed_key<std::string> key{db};
    keys.failed(key, nullptr, std::make_exception_ptr(std::runtime_error{"no answer"}));
    clock.advance(100ms);
    CHECK(keys.begin(key, true) != nullptr);
    CHECK_THROWS_WITH((void)keys.begin(key, true), "no answer");
    keys.abandon();
    CHECK(keys.begin(key, true) == nullptr);
}
