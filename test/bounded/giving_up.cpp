// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <new>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/error.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/stats.hpp>

#include <support/bounded_pool.hpp>
#include <support/fake.hpp>
#include <support/ids.hpp>
#include <support/latch.hpp>

// Callers that get no connection, and the errors that say why.

namespace bounded_giving_up_cases {

using namespace std::chrono_literals;
using namespace bounded_pools;
using fake::ids;

TEST_CASE("bounded: a failed dial fails its own caller only, and leaves no trace [mistake 8]") {
    fixture f{strict({.max_open = 1})};
    const auto fails = [](const std::string&) -> fake::connection { throw std::runtime_error{"no answer"}; };
    for (int i = 0; i < 3; ++i)
        CHECK_THROWS_WITH_AS((void)f.conns.acquire("a", fails), "no answer", std::runtime_error);
    CHECK(f.conns.stats().failed_dials == 3);
    CHECK(f.conns.stats().dialing == 0);
    CHECK(f.acquire("a")->id() == 1);
}

TEST_CASE("bounded: a dial that returns a dead connection fails its own caller only, and frees its permit [C19]") {
    fixture f{strict({.max_open = 1})};
    f.net.prepare([](fake::line& line) { line.dead = true; });
    const auto check_dial = [&](int id) {
        CHECK_THROWS_WITH_AS((void)f.acquire("a"),
            "pool \"peers\": no connection for key \"a\": the dial has returned a dead one", pool::dial_failed);
        CHECK(f.net.closed() == ids{id});
    };
    for (int id = 1; id <= 3; ++id) check_dial(id);
    f.net.prepare([](fake::line&) {});
    CHECK(f.acquire("a")->id() == 4);
    CHECK(f.conns.stats().failed_dials == 3);
    CHECK(f.conns.stats().dials == 1);
    CHECK(f.conns.stats().dialing == 0);
}

TEST_CASE("bounded: the permit of a dead connection goes to the caller that waits, when it has been closed [C19]") {
    fixture f{strict({.max_open = 1})};
    gate dial;
    gate close;
    f.net.prepare([&](fake::line& line) {
        line.dead = line.id == 1;
        if (line.id == 1) line.on_close = [&] { close.pass(); };
    });
    const auto slow = [&](const std::string&) {
        dial.pass();
        return f.net.dial();
    };
    decltype(f)::caller failing{[&](const std::stop_token&) { return f.conns.acquire("a", slow); }};
    dial.reached.wait();
    auto first = f.waits("a");
    auto late = f.waits("b", f.clock.now() + 1s);
    dial.open.count_down();
    close.reached.wait();
    CHECK(f.conns.stats().dialing == 1);  // its permit is not free yet
    CHECK(f.conns.stats().waiting == 2);
    close.open.count_down();
    CHECK_THROWS_AS((void)failing.got(), pool::dial_failed);
    auto got = first.got();
    CHECK(got->id() == 2);
    f.clock.advance(1s);
    CHECK(late.error() ==
          "pool \"peers\": no connection for key \"b\": its deadline has passed (1 open, 0 idle, 1 lent, 0 dialling, "
          "1 waiting)");
}

TEST_CASE("bounded: the error of a timeout quotes a dial that has returned a dead connection [C19]") {
    fixture f{strict({.max_open_per_key = 1})};
    gate dial;
    const auto dead = [&](const std::string&) {
        dial.pass();
        auto conn = f.net.dial();
        conn.far().dead = true;
        return conn;
    };
    decltype(f)::caller failing{[&](const std::stop_token&) { return f.conns.acquire("a", dead); }};
    dial.reached.wait();
    gate second;
    const auto slow = [&](const std::string&) {
        second.pass();
        return f.net.dial();
    };
    decltype(f)::caller dialling{f.conns, [&](const std::stop_token&) { return f.conns.acquire("a", slow); }};
    auto next = f.waits("a", f.clock.now() + 1s);
    dial.open.count_down();
    CHECK_THROWS_AS((void)failing.got(), pool::dial_failed);
    second.reached.wait();
    f.clock.advance(1s);
    CHECK(next.error() ==
          "pool \"peers\": no connection for key \"a\": its deadline has passed (1 open, 0 idle, 0 lent, 1 dialling, "
          "1 waiting); the last dial failed: pool \"peers\": no connection for key \"a\": the dial has returned a dead "
          "one");
    second.open.count_down();
    CHECK(dialling.got()->id() == 2);
}

TEST_CASE("bounded: a caller whose deadline has passed fails before it takes anything") {
    fixture f{strict({.max_open = 1})};
    f.put("a");
    CHECK_THROWS_WITH_AS((void)f.conns.acquire("a", f.net.dialer(), f.clock.now()),
        "pool \"peers\": no connection for key \"a\": its deadline has passed (1 open, 1 idle, 0 lent, 0 dialling, "
        "0 waiting)",
        pool::acquire_timeout);
    std::stop_source stop;
    stop.request_stop();
    CHECK_THROWS_AS((void)f.conns.acquire("a", f.net.dialer(), stop.get_token()), pool::acquire_cancelled);
    CHECK(f.conns.stats().idle == 1);
    CHECK(f.conns.stats().misses == 0);
}

TEST_CASE("bounded: a caller waits until its deadline, which no wake-up moves [mistake 9]") {
    fixture f{strict({.max_open = 1})};
    auto lent = f.acquire("a");
    auto first = f.waits("a");
    auto next = f.waits("a", f.clock.now() + 10s);
    for (int i = 0; i < 9; ++i) f.clock.advance(1s);
    lent.give_back();  // to the first caller
    auto held = first.got();
    CHECK(f.conns.stats().waiting == 1);
    f.clock.advance(1s);
    CHECK(next.error() ==
          "pool \"peers\": no connection for key \"a\": its deadline has passed (1 open, 0 idle, 1 lent, 0 dialling, "
          "1 waiting)");
    CHECK(f.conns.stats("a").waiting == 0);
}

TEST_CASE("bounded: the error of a timeout quotes the last dial error of its key") {
    fixture f{strict({.max_open_per_key = 1})};
    gate dial;
    auto failing = f.fails("a", dial);
    dial.reached.wait();
    gate second;
    const auto slow = [&](const std::string&) {
        second.pass();
        return f.net.dial();
    };
    decltype(f)::caller dialling{f.conns, [&](const std::stop_token&) { return f.conns.acquire("a", slow); }};
    auto next = f.waits("a", f.clock.now() + 1s);
    dial.open.count_down();
    CHECK(failing.error() == "no answer");
    second.reached.wait();
    f.clock.advance(1s);
    CHECK(next.error() ==
          "pool \"peers\": no connection for key \"a\": its deadline has passed (1 open, 0 idle, 0 lent, 1 dialling, "
          "1 waiting); the last dial failed: no answer");
    second.open.count_down();
    CHECK(dialling.got()->id() == 1);
}

TEST_CASE("bounded: a caller that is cancelled leaves the queue") {
    fixture f{strict({.max_open = 1})};
    auto lent = f.acquire("a");
    auto first = f.waits("a");
    auto second = f.waits("a");
    first.cancel();
    CHECK_THROWS_AS((void)first.got(), pool::acquire_cancelled);
    lent.give_back();
    CHECK(second.got()->id() == 1);
    const pool::stats s = f.conns.stats();
    CHECK(s.hits + s.misses == 3);
    CHECK(s.cancelled == 1);
}

TEST_CASE("bounded: callers that leave the wait queue are counted by their reasons [C16]") {
    fixture f{strict({.max_open = 1, .max_waiting = 1})};
    const auto lent = f.acquire("a");
    auto late = f.waits("a", f.clock.now() + 1s);
    CHECK_THROWS_AS((void)f.acquire("a"), pool::queue_full);
    CHECK_THROWS_AS((void)f.acquire("b"), pool::queue_full);
    f.clock.advance(1s);
    CHECK_THROWS_AS((void)late.got(), pool::acquire_timeout);
    const pool::stats s = f.conns.stats();
    CHECK(s.timed_out == 1);
    CHECK(s.cancelled == 0);
    CHECK(s.queue_full == 2);
}

TEST_CASE("bounded: when the wait queue is full, the next caller fails at once") {
    fixture f{strict({.max_open = 1, .max_waiting = 1})};
    auto lent = f.acquire("a");
    auto next = f.waits("a");
    CHECK_THROWS_WITH_AS((void)f.acquire("a"),
        "pool \"peers\": no connection for key \"a\": the wait queue is full (1 open, 0 idle, 1 lent, 0 dialling, "
        "2 waiting)",
        pool::queue_full);
    lent.give_back();
    CHECK(next.got()->id() == 1);
}

TEST_CASE("bounded: with no place to wait, a caller still gets what is free") {
    fixture f{strict({.max_open = 1, .max_waiting = 0})};
    {
        const auto lent = f.acquire("a");
        CHECK_THROWS_AS((void)f.acquire("a"), pool::queue_full);
    }
    CHECK(f.acquire("a")->id() == 1);
}

TEST_CASE("bounded: with no place to wait, a caller for whom room is made does not count as waiting") {
    fixture f{strict({.max_open = 1, .max_waiting = 0})};
    f.put("a");
    CHECK(f.acquire("b")->id() == 2);
    CHECK(f.net.closed() == ids{1});
}

namespace {

/// A key that cannot always be copied.
struct moody_key {
    explicit moody_key(int which) : number{which} {}
    moody_key(const moody_key& other) : number{other.number} {
        if (fails) throw std::bad_alloc{};
    }
    friend bool operator==(const moody_key& a, const moody_key& b) { return a.number == b.number; }

    int number;
    static inline bool fails = false;
};

}  // namespace

}  // namespace bounded_giving_up_cases

template <>
struct std::hash<bounded_giving_up_cases::moody_key> {
    std::size_t operator()(const bounded_giving_up_cases::moody_key& key) const noexcept {
        return static_cast<std::size_t>(key.number);
    }
};

namespace bounded_giving_up_cases {

TEST_CASE("bounded: connections are retired even if the queue has no memory for the key, and closed later [C12]") {
    fake::network net;
    pool::manual_clock clock;
    pool::basic_pool<moody_key, fake::connection, bounds, pool::after_idle, std::mutex, pool::manual_clock> conns{
        strict({.max_open = 2}), pool::after_idle{1s}, {}, clock};
    const moody_key key{1};
    conns.put(key, net.dial());
    clock.advance(1s);
    moody_key::fails = true;
    CHECK_THROWS_AS((void)conns.acquire(key, [&](const moody_key&) { return net.dial(); }), std::bad_alloc);
    moody_key::fails = false;
    const pool::stats s = conns.stats();
    CHECK(s.expired == 1);
    CHECK(s.closing == 1);
    CHECK(s.waiting + s.dialing + s.keys == 0);
    CHECK(net.closed().empty());
    CHECK(conns.expire() == 0);
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats().closing == 0);
}

TEST_CASE("bounded: a caller without memory for its key leaves, before it closes or dials [C12]") {
    fake::network net;
    pool::basic_pool<moody_key, fake::connection, bounds> conns{strict({.max_open = 2})};
    const moody_key key{1};
    const auto dial = [&](const moody_key&) { return net.dial(); };
    const auto lent = conns.acquire(key, dial);
    SUBCASE("it may dial") {}
    SUBCASE("it is promised the permit of a connection that is to be closed for it") {
        conns.put(moody_key{2}, net.dial());
    }
    const pool::stats before = conns.stats();
    moody_key::fails = true;
    CHECK_THROWS_AS((void)conns.acquire(key, dial), std::bad_alloc);
    moody_key::fails = false;
    const pool::stats after = conns.stats();
    CHECK(after.waiting + after.dialing == 0);
    CHECK(after.lent == 1);
    CHECK(after.idle + after.closing == before.idle);
    CHECK(net.closed().empty());
    CHECK(conns.acquire(key, dial).key() == key);
}

TEST_CASE("bounded: a pool of real time waits, and gives up") {
    fake::network net;
    pool::basic_pool<std::string, fake::connection, bounds> conns{strict({.max_open = 1})};
    auto lent = conns.acquire("a", net.dialer());
    CHECK_THROWS_AS(
        (void)conns.acquire("a", net.dialer(), std::chrono::steady_clock::now() + 1ms), pool::acquire_timeout);
    CHECK_THROWS_AS(
        (void)conns.acquire("a", net.dialer(), pool::dial_context{.deadline = std::chrono::steady_clock::now() + 1ms}),
        pool::acquire_timeout);
    std::stop_source stop;
    latch cancelled{1};
    std::thread next{[&] {
        CHECK_THROWS_AS((void)conns.acquire("a", net.dialer(), stop.get_token()), pool::acquire_cancelled);
        cancelled.count_down();
        CHECK(conns.acquire("a", net.dialer())->id() == 1);
    }};
    while (conns.stats().waiting == 0) std::this_thread::yield();
    stop.request_stop();
    cancelled.wait();
    lent.give_back();
    next.join();
}

TEST_CASE("bounded: a hand-off before a cancel or a timeout stands") {
    fixture f{strict({.max_open = 1})};
    for (int i = 0; i < 50; ++i) {
        auto lent = f.acquire("a");
        auto next = f.waits("a", f.clock.now() + 1s);
        lent.give_back();
        if (i % 2 == 0) next.cancel();
        else f.clock.advance(1s);
        CHECK(next.got()->id() == 1);
    }
    CHECK(f.conns.stats().hits == 99);
}

TEST_CASE("bounded: a hand-off that races with a cancel or a timeout reaches exactly one caller") {
    fixture f{strict({.max_open = 1})};
    for (int i = 0; i < 50; ++i) {
        auto lent = f.acquire("a");
        auto first = f.waits("a", f.clock.now() + 1s);
        auto second = f.waits("a");
        if (i % 2 == 0) first.cancel();
        else f.clock.advance(1s);
        lent.give_back();
        bool is_right = true;
        try {
            is_right = first.got()->id() == 1;
        } catch (const pool::error&) {
            // It has left, and holds nothing.
        }
        CHECK(is_right);
        CHECK(second.got()->id() == 1);
        CHECK(f.conns.stats().idle == 1);
    }
    CHECK(f.net.dials() == 1);
}

}  // namespace bounded_giving_up_cases
