// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <doctest/doctest.h>

#include <pool/core/ghost_pool.hpp>

// A simulated pool: what it lends, dials and evicts, and who waits, reckoned by hand.

namespace ghost_pools {

using namespace std::chrono_literals;
using pool::reuse_order;
using pool::core::ghost_bounds;
using pool::core::ghost_pool;
using pool::core::real_service;
using pool::core::use_times;
using span = ghost_pool::time;

struct fixture {
    explicit fixture(const ghost_bounds& its = {}, reuse_order order = reuse_order::newest_first)
        : bounds{its},
          ghosts{order} {}

    /// A caller of a key is served at once. Returns whether it dials.
    bool dials(std::size_t key, real_service there = real_service::lends) {
        const std::uint64_t before = ghosts.dials();
        CHECK(ghosts.serve_at_once(key, bounds, now, there, ++ticket, std::nullopt));
        return ghosts.dials() != before;
    }
    void give_back(std::size_t key, span expires_in = span::max(), std::uint64_t number = 0) {
        const span at = expires_in == span::max() ? expires_in : now + expires_in;
        ghosts.give_back(key, bounds, now, at, number, true);
    }
    void put(std::size_t key, span expires_in = span::max(), std::uint64_t number = 0) {
        dials(key, real_service::dials_anyway);
        give_back(key, expires_in, number);
    }
    /// A caller comes that waits in the real pool. Returns whether it waits here.
    bool waits(std::size_t key, std::optional<span> hold = 5ms, span dial = {}) {
        const std::uint64_t before = ghosts.waits();
        const auto assumed = hold ? std::optional{use_times{*hold, dial, *hold}} : std::nullopt;
        ghosts.ask(key, bounds, now, ++ticket, assumed);
        return ghosts.waits() != before;
    }

    ghost_bounds bounds;
    ghost_pool ghosts;
    span now{};
    std::uint64_t ticket = 0;
};

TEST_CASE("ghost_pool: a caller is lent what is idle, or else dials") {
    fixture f;
    CHECK(f.dials(1));
    CHECK(f.dials(1));
    CHECK(f.ghosts.busy() == 2);
    f.give_back(1);
    CHECK(f.ghosts.idle() == 1);
    CHECK_FALSE(f.dials(1));
    CHECK(f.dials(2));
    CHECK(f.ghosts.dials() == 3);
    f.give_back(1);
    CHECK(f.dials(1, real_service::dials_anyway));
    f.ghosts.count_anew();
    CHECK(f.ghosts.dials() == 0);
    CHECK(f.ghosts.busy() == 3);
}

TEST_CASE("ghost_pool: a full pool evicts the oldest of all") {
    fixture f{{.idle = 2}};
    f.put(1);
    f.put(2);
    f.put(3);
    CHECK(f.ghosts.idle() == 2);
    CHECK_FALSE(f.dials(3));
    CHECK_FALSE(f.dials(2));
    CHECK(f.dials(1));
}

TEST_CASE("ghost_pool: a full key evicts its own oldest") {
    fixture f{{.idle = 3, .idle_of_key = 2}, reuse_order::oldest_first};
    f.put(1);
    f.put(2, 1ms);
    f.put(2, 9ms);
    f.put(2, 9ms);
    CHECK(f.ghosts.idle() == 3);
    f.now = 5ms;
    CHECK_FALSE(f.dials(2));
    CHECK_FALSE(f.dials(2));
    CHECK(f.dials(2));
    CHECK_FALSE(f.dials(1));
}

TEST_CASE("ghost_pool: with a bound of zero nothing is idle") {
    fixture f{{.idle_of_key = 0}};
    f.put(1);
    CHECK(f.ghosts.idle() == 0);
}

TEST_CASE("ghost_pool: the order of reuse decides which one expires") {
    fixture f{{}, reuse_order::newest_first};
    SUBCASE("the newest first: the oldest is left, and expires") {
        f.put(1, 10ms);
        f.put(1, 20ms);
        CHECK_FALSE(f.dials(1));
        f.now = 10ms;
        CHECK(f.dials(1));
    }
    SUBCASE("the oldest first: the newest is left, and does not") {
        f.ghosts = ghost_pool{reuse_order::oldest_first};
        f.put(1, 10ms);
        f.put(1, 20ms);
        CHECK_FALSE(f.dials(1));
        f.now = 10ms;
        CHECK_FALSE(f.dials(1));
    }
}

TEST_CASE("ghost_pool: any idle connection may die") {
    constexpr std::uint64_t count = 5;
    for (std::uint64_t dead = 1; dead <= count; ++dead) {
        CAPTURE(dead);
        fixture f;
        for (std::uint64_t number = 1; number <= count; ++number)
            f.put(1, std::chrono::milliseconds{10 * number}, number);
        f.ghosts.remove(1, dead);
        CHECK(f.ghosts.idle() == count - 1);
        f.ghosts.remove(1, dead);
        f.ghosts.expire(std::chrono::milliseconds{10 * count - 10});  // all but the last
        CHECK(f.ghosts.idle() == (dead == count ? 0 : 1));
    }
}

TEST_CASE("ghost_pool: idle connections expire, die, and are cleared") {
    fixture f;
    f.put(1, 10ms, 7);
    f.put(2, 20ms, 8);
    f.put(2, 30ms, 9);
    f.ghosts.expire(10ms);
    CHECK(f.ghosts.idle() == 2);
    f.ghosts.remove(2, 7);
    f.ghosts.remove(1, 8);
    CHECK(f.ghosts.idle() == 2);
    f.ghosts.remove(2, 8);
    CHECK(f.ghosts.idle() == 1);
    f.put(3);
    f.ghosts.clear(2);
    CHECK(f.ghosts.idle() == 1);
    f.ghosts.clear();
    CHECK(f.ghosts.idle() == 0);
    CHECK(f.dials(3));
}

TEST_CASE("ghost_pool: what a caller does not give back is gone") {
    fixture f;
    f.dials(1);
    f.ghosts.lose(1, f.now);
    CHECK(f.ghosts.busy() == 0);
    CHECK(f.ghosts.idle() == 0);
    f.ghosts.lose(1, f.now);  // it was lent before the simulation began
    f.give_back(1);
    CHECK(f.ghosts.busy() == 0);
    CHECK(f.ghosts.idle() == 1);
}

TEST_CASE("ghost_pool: callers wait while all are busy, and are served in their order") {
    fixture f{{.open = 2}};
    CHECK_FALSE(f.waits(1));  // until 5 ms
    f.now = 1ms;
    CHECK_FALSE(f.waits(1));  // until 6 ms
    f.now = 2ms;
    CHECK(f.waits(2));  // from 5 ms until 10 ms, on the connection of the first, which is closed for it
    CHECK(f.waits(1));  // from 6 ms until 11 ms
    CHECK(f.ghosts.waiting() == 2);
    f.now = 5ms;
    CHECK(f.waits(1));  // from 10 ms
    CHECK(f.ghosts.waiting() == 2);
    CHECK(f.ghosts.dials() == 3);
    f.now = 10ms;
    f.ghosts.lose(9, f.now);
    CHECK(f.ghosts.waiting() == 0);
    CHECK(f.ghosts.busy() == 2);
    CHECK(f.ghosts.dials() == 4);
}

TEST_CASE("ghost_pool: who needs a close waits for that, and is served at once") {
    fixture f{{.open = 1}};
    f.put(1);
    CHECK(f.waits(2));
    CHECK(f.ghosts.waiting() == 0);
    CHECK(f.ghosts.busy() == 1);
    CHECK(f.ghosts.idle() == 0);
}

TEST_CASE("ghost_pool: a caller at the bound of its key holds up no other") {
    fixture f{{.open = 3, .open_of_key = 1}};
    CHECK_FALSE(f.waits(1));
    CHECK(f.waits(1));
    CHECK_FALSE(f.waits(2));
}

TEST_CASE("ghost_pool: a caller waits for the dials of its key, and a dial takes its time") {
    fixture f{{.open = 9, .dials_of_key = 1}};
    CHECK_FALSE(f.waits(1, 5ms, 2ms));  // dials until 2 ms, and is done at 7 ms
    CHECK(f.waits(1, 5ms, 2ms));        // dials from 2 ms until 4 ms, and is done at 9 ms
    f.now = 2ms;
    f.ghosts.lose(9, f.now);
    CHECK(f.ghosts.waiting() == 0);
    f.now = 7ms;
    f.ghosts.lose(9, f.now);
    CHECK(f.ghosts.busy() == 1);
    f.now = 9ms;
    f.ghosts.lose(9, f.now);
    CHECK(f.ghosts.busy() == 0);
    CHECK(f.ghosts.idle() == 2);
}

TEST_CASE("ghost_pool: a caller that gets its connection as late as in the real pool ends as late") {
    fixture f{{.open = 1}};
    f.dials(1);
    CHECK(f.waits(1));
    f.now = 3ms;
    SUBCASE("when it is its turn") {
        f.give_back(1);
        CHECK(f.ghosts.waiting() == 0);
        CHECK(f.ghosts.catch_up(1, f.bounds, f.now, f.ticket, f.now, 0ms));
    }
    SUBCASE("and a little later, because it had to wake up") {
        f.give_back(1);
        f.now += 1us;
        CHECK_FALSE(f.ghosts.catch_up(1, f.bounds, f.now, f.ticket, f.now, 0ms));
        CHECK(f.ghosts.catch_up(1, f.bounds, f.now, f.ticket, f.now, 1us));
    }
    SUBCASE("although it was not its turn yet") {
        f.ghosts.lose(1, f.now);
        f.dials(1);
        f.bounds.open = 2;
        CHECK(f.ghosts.catch_up(1, f.bounds, f.now, f.ticket - 1, f.now, 0ms));
        f.ghosts.lose(1, f.now);
    }
    f.now = 1h;
    f.ghosts.lose(9, f.now);
    CHECK(f.ghosts.busy() == 1);  // not after the 5 ms that were assumed
    f.give_back(1);
    CHECK(f.ghosts.busy() == 0);
}

TEST_CASE("ghost_pool: a caller for which no use can be assumed waits until it gets its connection") {
    fixture f{{.open = 5}};
    CHECK(f.waits(1, std::nullopt));
    CHECK(f.ghosts.waiting() == 1);
    CHECK(f.ghosts.catch_up(1, f.bounds, f.now, f.ticket, f.now, 0ms));
    CHECK(f.ghosts.waiting() == 0);
    CHECK(f.ghosts.busy() == 1);
}

TEST_CASE("ghost_pool: a caller leaves") {
    fixture f{{.open = 1}};
    f.dials(1);
    CHECK(f.waits(1));
    f.ghosts.leave(1, f.ticket + 1);
    CHECK(f.ghosts.waiting() == 1);
    f.ghosts.leave(1, f.ticket);
    CHECK(f.ghosts.waiting() == 0);
}

TEST_CASE("ghost_pool: a use is of another length if only one of both pools dials slowly") {
    fixture f;
    f.put(1);
    const use_times slow{4ms, 20ms, 4ms};
    CHECK_FALSE(f.ghosts.serve_at_once(1, f.bounds, f.now, real_service::dials, ++f.ticket, slow));
    CHECK(f.ghosts.serve_at_once(1, f.bounds, f.now, real_service::dials, ++f.ticket, slow));
    f.now = 4ms;
    f.ghosts.lose(9, f.now);
    CHECK(f.ghosts.busy() == 1);
    CHECK(f.ghosts.idle() == 1);
    const use_times fast{4ms, 1us, 4ms};
    CHECK(f.ghosts.serve_at_once(1, f.bounds, f.now, real_service::dials, ++f.ticket, fast));
}

TEST_CASE("ghost_pool: a copy goes its own way") {
    fixture f{{.open = 1}};
    f.dials(1);
    CHECK(f.waits(1));
    ghost_pool copy = f.ghosts;
    f.give_back(1);
    CHECK(f.ghosts.waiting() == 0);
    CHECK(copy.waiting() == 1);
    copy.give_back(1, {.open = 2}, f.now, span::max(), 0, true);
    CHECK(copy.waiting() == 0);
}

TEST_CASE("ghost_pool: it keeps so many connections and callers, and no more") {
    fixture f;
    for (std::size_t key = 0; key != ghost_pool::most_idle + 9; ++key) f.put(key);
    CHECK(f.ghosts.idle() == ghost_pool::most_idle);
    fixture full{{.open = 1}};
    full.dials(0);
    for (std::size_t key = 0; key != ghost_pool::most_waiting + 9; ++key) CHECK(full.waits(key));
    CHECK(full.ghosts.waiting() == ghost_pool::most_waiting);
}

}  // namespace ghost_pools
