// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/policies/clock.hpp>
#include <pool/testing/actions.hpp>
#include <pool/testing/event_log.hpp>
#include <pool/testing/fake_connection.hpp>
#include <pool/testing/fake_dialer.hpp>
#include <pool/testing/gate.hpp>

// The fakes of the kit: what they do when they are told to. What they refuse is in test/testing/misuse.cpp.

using namespace std::chrono_literals;
using namespace pool::testing;

namespace {

/// The text of what `act` throws.
std::string error_of(const auto& act) {
    try {
        act();
    } catch (const std::exception& error) {
        return error.what();
    }
    return "no error";
}

}  // namespace

TEST_CASE("fake_dialer: numbers its connections, and logs what happens to them") {
    event_log log;
    fake_dialer dials{log};
    auto first = dials(std::string{"a"});
    auto second = dials(7);
    auto third = dials();
    second.close();
    CHECK(log.take() == std::vector<std::string>{"dials 1 for a", "dials 2 for 7", "dials 3", "closes 2"});
    CHECK(dials.closed() == std::vector{2});
    CHECK(dials.closed().empty());
    CHECK(dials.dials() == 3);
    CHECK(dials.open() == 2);
    CHECK(first.id() == 1);
    CHECK(third.id() == 3);
    CHECK(second.closed());
    dials[1].dead = true;
    third.close();
    CHECK(dials.open() == 0);
    first.close();
}

TEST_CASE("fake_dialer: is a dial of any pool") {
    fake_dialer dials;
    SUBCASE("of text") {
        pool::basic_pool<std::string, fake_connection> conns;
        CHECK(conns.acquire("a", dials)->far().key == "a");
        conns.get("b", dials).invoke([](fake_connection& conn) { conn.use(); });
        CHECK(dials[2].key == "b");
        CHECK(dials[2].uses == 1);
    }
    SUBCASE("of numbers") {
        pool::basic_pool<int, fake_connection> conns;
        CHECK(conns.acquire(5, dials)->far().key == "5");
    }
    SUBCASE("of one peer") {
        pool::basic_pool<pool::no_key, fake_connection> conns;
        CHECK(conns.acquire(dials)->far().key == "");
    }
    SUBCASE("that owns it") {
        pool::basic_pool<std::string, fake_connection> conns{{}, {}, {}, dials};
        CHECK(conns.acquire("a")->far().key == "a");
    }
    CHECK(dials.dials() > 0);
    CHECK(dials.open() == 0);
}

TEST_CASE("fake_dialer: fails when it is told to, and then goes on") {
    event_log log;
    fake_dialer dials{log};
    const auto dial = [&] { dials(std::string{"a"}).close(); };
    SUBCASE("the next ones") {
        dials.next(fails("refused"));
        dials.next(fails("no route"));
        CHECK(error_of(dial) == "refused");
        CHECK(error_of(dial) == "no route");
        CHECK(log.take() == std::vector<std::string>{"fails to dial for a", "fails to dial for a"});
    }
    SUBCASE("the n-th") {
        dials.nth(2, fails("refused"));
        CHECK(error_of(dial) == "no error");
        CHECK(error_of(dial) == "refused");
    }
    SUBCASE("each but one") {
        dials.each(fails("refused"));
        dials.nth(2, [](const pool::dial_context&) {});
        CHECK(error_of(dial) == "refused");
        CHECK(error_of(dial) == "no error");
        CHECK(error_of(dial) == "refused");
        dials.each(nullptr);
    }
    const int before = dials.attempts();
    CHECK(error_of(dial) == "no error");
    CHECK(dials.attempts() == before + 1);
}

TEST_CASE("fake_dialer: prepares each connection, and may be asked meanwhile") {
    fake_dialer dials;
    dials.prepare([&](far_end& far) {
        far.reusable = dials.open() == 1 && &dials[far.id] == &far;
        dials.prepare(nullptr);
    });
    auto first = dials();
    auto second = dials();
    CHECK(first.reusable());
    CHECK_FALSE(second.reusable());
    first.close();
    second.close();
}

TEST_CASE("fake_dialer: is late") {
    fake_dialer dials;
    pool::manual_clock clock;
    dials.next(takes(clock, 3s));
    dials().close();
    CHECK(clock.now() == pool::manual_clock::time_point{3s});
    dials().close();
    CHECK(clock.now() == pool::manual_clock::time_point{3s});
}

TEST_CASE("fake_dialer: hangs until the test lets it go on, a stop is requested, or the deadline has passed") {
    fake_dialer dials;
    gate dialling;
    dials.next(hangs(dialling));
    std::string error;
    SUBCASE("let go") {
        std::jthread caller{[&] { error = error_of([&] { dials().close(); }); }};
        dialling.await_arrivals();
        CHECK(dials.dials() == 0);
        CHECK(dials.attempts() == 1);
        dialling.open();
        caller.join();
        CHECK(error == "no error");
        CHECK(dials.dials() == 1);
    }
    SUBCASE("stopped") {
        std::stop_source stop;
        std::jthread caller{
            [&] { error = error_of([&] { (void)dials(pool::dial_context{.stop = stop.get_token()}); }); }};
        dialling.await_arrivals();
        stop.request_stop();
        caller.join();
        CHECK(error == "the dial was given up");
    }
    SUBCASE("late") {
        error = error_of([&] { (void)dials(pool::dial_context{.deadline = std::chrono::steady_clock::now()}); });
        CHECK(error == "the dial was given up");
    }
}

TEST_CASE("fake_connection: is closed once, and answers what its far end says") {
    fake_dialer dials;
    auto conn = dials();
    CHECK_FALSE(conn.closed());
    CHECK(conn.unblocked());
    CHECK_FALSE(conn.reusable());
    conn.far().blocked = true;
    conn.far().reusable = true;
    CHECK_FALSE(conn.unblocked());
    CHECK(conn.reusable());
    auto moved = std::move(conn);
    moved.close();
    CHECK(moved.closed());
    CHECK(moved.far().closes == 1);
    moved = dials();
    CHECK(moved.id() == 2);
    dials[2].dead = true;
    CHECK(moved.closed());
    CHECK_FALSE(moved.released());
    moved.close();
    CHECK(moved.released());
}

TEST_CASE("fake_connection: dies at a time") {
    fake_dialer dials;
    pool::manual_clock clock;
    auto conn = dials();
    dials[1].die_at(clock, clock.now() + 5s);
    clock.advance(5s - 1ns);
    CHECK_FALSE(conn.closed());
    clock.advance(1ns);
    CHECK(conn.closed());
    CHECK(dials.open() == 0);
    conn.close();
}

TEST_CASE("fake_connection: dies at a use, which fails") {
    fake_dialer dials;
    auto conn = dials();
    conn.use();
    dials[1].die_at_use(2);
    conn.use();
    CHECK(error_of([&] { conn.use(); }) == "the peer of connection 1 has gone");
    CHECK(conn.closed());
    CHECK(error_of([&] { conn.use(); }) == "the peer of connection 1 has gone");
    conn.close();
}

TEST_CASE("fake_connection: is blocked until a time") {
    fake_dialer dials;
    pool::manual_clock clock;
    auto conn = dials();
    dials[1].block_until(clock, clock.now() + 5s);
    CHECK_FALSE(conn.unblocked());
    clock.advance(5s);
    CHECK(conn.unblocked());
    conn.close();
}

TEST_CASE("fake_connection: its close and its uses fail, hang and are slow") {
    fake_dialer dials;
    pool::manual_clock clock;
    auto conn = dials();
    SUBCASE("they fail") {
        conn.far().on_use = fails("reset");
        conn.far().on_close = fails("broken pipe");
        CHECK(error_of([&] { conn.use(); }) == "reset");
        CHECK(error_of([&] { conn.close(); }) == "broken pipe");
        CHECK(dials.closed() == std::vector{1});
    }
    SUBCASE("they do nothing") {
        conn.far().on_use = nullptr;
        conn.far().on_close = nullptr;
        conn.use();
        conn.close();
    }
    SUBCASE("they are slow") {
        conn.far().on_use = takes(clock, 1s);
        conn.far().on_close = takes(clock, 2s);
        conn.use();
        conn.use();
        conn.close();
        CHECK(clock.now() == pool::manual_clock::time_point{4s});
    }
    SUBCASE("a close hangs") {
        gate closing;
        conn.far().on_close = hangs(closing);
        std::jthread closes{[&] { conn.close(); }};
        closing.await_arrivals();
        CHECK(conn.closed());
        closing.open();
    }
}

TEST_CASE("fake_connection: what a connection was moved from may be moved and assigned to") {
    fake_dialer dials;
    auto conn = dials();
    auto moved = std::move(conn);
    conn = fake_connection{std::move(conn)};
    conn = dials();
    std::swap(conn, moved);
    CHECK(conn.id() == 1);
    CHECK(moved.id() == 2);
    conn.close();
    moved.close();
}

TEST_CASE("fake_connection: the test looks at a connection, and changes what it does, during a call") {
    fake_dialer dials;
    auto conn = dials();
    gate asking;
    conn.far().on_use = hangs(asking);
    std::jthread uses{[&] { conn.use("asks"); }};
    asking.await_arrivals();
    CHECK_FALSE(conn.closed());
    CHECK(conn.unblocked());
    CHECK_FALSE(conn.reusable());
    CHECK(conn.id() == 1);
    CHECK(dials[1].history() == "opened, asks");
    dials[1].dead = true;
    CHECK(conn.closed());
    asking.open();
    uses.join();
    conn.close();
}

TEST_CASE("fake_connection: has a history") {
    fake_dialer dials;
    auto conn = dials(std::string{"a"});
    conn.use();
    conn.use();
    dials[1].note("lent to worker 3");
    conn.use("asks");
    conn.use(std::string{"asks again"});
    conn.close();
    CHECK(dials[1].history() == "dialled for a, used 2 times, lent to worker 3, asks, asks again, closed");
}

TEST_CASE("fragile_connection: its move fails while it is stuck, and moves nothing") {
    fake_dialer dials;
    std::optional<fragile_connection> conn{std::in_place, dials()};
    dials[1].stuck = true;
    CHECK(error_of([&] { const auto moved = std::move(*conn); }) == "stuck");
    CHECK_FALSE(conn->closed());
    dials[1].stuck = false;
    auto moved = std::move(*conn);
    moved.close();
}
