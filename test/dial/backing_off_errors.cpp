// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <pool/dial/backing_off.hpp>
#include <pool/dial/timed.hpp>
#include <pool/policies/clock.hpp>
#include <pool/testing/held_locks.hpp>
#include <pool/testing/probe_lock.hpp>

#include <support/fake.hpp>
#include <support/refusing_server.hpp>

// Which errors count, who gets which error, what is refused, and which dials can be wrapped.

namespace {

using namespace std::chrono_literals;
using fake::try_to_dial;
using real = std::chrono::steady_clock;

const std::string host = "db";

using conn = std::unique_ptr<int>;

struct refused : std::runtime_error {
    explicit refused(int its) : runtime_error{"refused"}, code{its} {}
    int code;
};

/// A server that is down, and a dial that backs off from it.
struct fails {
    explicit fails(pool::backing_off_options options = {.first = 100ms, .most = 1s, .jitter = 0})
        : dial{server.dial(), options, clock} {}

    fake::refusing_server server;
    pool::manual_clock clock;
    pool::backing_off<decltype(server.dial()), pool::manual_clock> dial;
};

/// A dial whose errors the test chooses, with a predicate.
template <class Error>
struct thrower {
    conn operator()(const std::string&) const {
        ++*dials;
        throw Error{};
    }
    std::shared_ptr<int> dials = std::make_shared<int>(0);
};

/// How many of five calls in a row are dials.
template <class Dial>
int dials_of_five(Dial dial, const int& dials) {
    for (int i = 0; i != 5; ++i) CHECK_THROWS((void)dial(host));
    return dials;
}

struct immovable {
    explicit immovable(int number) : id{number} {}
    immovable(immovable&&) = delete;
    int id;
};

struct address {
    std::string name;
    bool operator==(const address&) const = default;
    conn open() const { return std::make_unique<int>(7); }
};

/// A connection that is dead from its begin.
struct unreachable {
    void close() {}
    bool closed() const noexcept { return true; }
    bool unblocked() const noexcept { return true; }
};

}  // namespace

template <>
struct pool::connection_traits<unreachable> : pool::member_connection_traits<unreachable> {
    static std::string why_dead(const unreachable&) { return "no route\n\n"; }  // as C libraries say it
};

TEST_CASE("backing_off: all get the same object, of the dial's own type") {
    pool::manual_clock clock;
    int code = 0;
    pool::backing_off dial{[&](int) -> conn { throw refused{++code}; }, {.first = 1s, .jitter = 0}, clock};
    const auto error_of = [&](int key) -> std::exception_ptr {
        try {
            (void)dial(key);
        } catch (const refused&) {
            return std::current_exception();
        }
        return nullptr;
    };
    const auto first = error_of(1);
    CHECK((error_of(1) == first));
    clock.advance(1s);
    const auto second = error_of(1);
    CHECK((second != first));
    CHECK((error_of(1) == second));
}

TEST_CASE("backing_off: a dial that returns a dead connection has failed") {
    fails all;
    all.server.up();
    all.server.dials.prepare([](pool::testing::far_end& far) { far.dead = true; });
    CHECK(try_to_dial(all.dial, host).empty());  // the caller gets it
    CHECK(try_to_dial(all.dial, host) == "no connection for key \"db\": the dial has returned a dead one");
    CHECK_THROWS_AS((void)all.dial(host), pool::dial_failed);
    all.clock.advance(100ms);
    CHECK(try_to_dial(all.dial, host).empty());  // a probe that fails
    all.clock.advance(200ms - 1ns);
    CHECK(!try_to_dial(all.dial, host).empty());
    all.clock.advance(1ns);
    all.server.dials.prepare(nullptr);
    CHECK(try_to_dial(all.dial, host).empty());
    CHECK(all.dial.remembered() == 0);
    CHECK(all.server.dials.attempts() == 3);
}

TEST_CASE("backing_off: a dead connection says why it is dead, and does not count if the predicate says so") {
    pool::manual_clock clock;
    const auto connect = [] { return unreachable{}; };
    pool::backing_off dial{connect, {.first = 1s, .jitter = 0}, clock};
    const pool::no_key none{};
    (void)dial(none);
    CHECK_THROWS_WITH_AS(
        (void)dial(none), "no connection: the dial has returned a dead one: no route", pool::dial_failed);

    pool::backing_off ignoring{connect, {.first = 1s, .counts = [](const auto&) { return false; }}, clock};
    pool::backing_off throwing{connect, {.first = 1s, .counts = [](const auto&) -> bool { throw 1; }}, clock};
    for (int i = 0; i != 2; ++i) {
        (void)ignoring(none);
        (void)throwing(none);
    }
    CHECK(ignoring.remembered() + throwing.remembered() == 0);
}

TEST_CASE("backing_off: an error lives as long as it may be thrown again, and no longer") {
    pool::manual_clock clock;
    const auto alive = std::make_shared<int>();
    struct error {
        std::shared_ptr<int> alive;
    };
    bool is_up = false;
    pool::backing_off dial{[&](int) {
                               if (!is_up) throw error{alive};
                               return conn{};
                           },
        {.first = 1s, .jitter = 0}, clock};
    CHECK_THROWS_AS((void)dial(1), error);
    CHECK_THROWS_AS((void)dial(1), error);
    CHECK(alive.use_count() == 2);
    clock.advance(1s);
    CHECK_THROWS_AS((void)dial(1), error);
    CHECK(alive.use_count() == 2);
    clock.advance(2s);
    is_up = true;
    (void)dial(1);
    CHECK(alive.use_count() == 1);
}

TEST_CASE("backing_off: the dial, the predicate and the end of an error run without the lock") {
    struct error {
        error() = default;
        error(const error&) = default;
        ~error() { CHECK(!pool::testing::is_under_lock()); }
    };
    pool::manual_clock clock;
    bool is_up = false;
    const auto connect = [&](int) {
        CHECK(!pool::testing::is_under_lock());
        if (!is_up) throw error{};
        return conn{};
    };
    const auto predicate = [](const auto&) { return !pool::testing::is_under_lock(); };
    pool::backing_off<decltype(connect), pool::manual_clock, pool::testing::probe_lock> dial{
        connect, {.first = 1s, .most = 1s, .jitter = 0, .counts = predicate}, clock};
    for (int key = 0; key != 3; ++key) CHECK_THROWS_AS((void)dial(key), error);
    clock.advance(1s);
    CHECK_THROWS_AS((void)dial(1), error);  // a probe: its error takes the place of another one
    clock.advance(1s);
    is_up = true;
    (void)dial(1);
    clock.advance(1s);
    (void)dial(9);  // removes the forgotten ones
    CHECK(dial.remembered() == 0);
}

TEST_CASE("backing_off: a dial whose caller was stopped proves nothing") {
    fails all;
    std::stop_source caller;
    const pool::dial_context context{.stop = caller.get_token()};
    all.server.dials.next([&](const auto&) {
        caller.request_stop();
        throw std::runtime_error{"stopped"};
    });
    CHECK(try_to_dial(all.dial, host, context) == "stopped");
    CHECK(all.dial.remembered() == 0);
    CHECK(try_to_dial(all.dial, host) == "refused 2");
}

TEST_CASE("backing_off: after a probe whose caller was stopped, the next caller is the probe, and no delay is longer") {
    fails all;
    try_to_dial(all.dial, host);
    all.clock.advance(100ms);
    std::stop_source caller;
    all.server.dials.next([&](const auto&) {
        caller.request_stop();
        throw std::runtime_error{"stopped"};
    });
    CHECK(try_to_dial(all.dial, host, pool::dial_context{.stop = caller.get_token()}) == "stopped");
    CHECK(try_to_dial(all.dial, host) == "refused 3");
    all.clock.advance(200ms - 1ns);
    CHECK(try_to_dial(all.dial, host) == "refused 3");
    all.clock.advance(1ns);
    CHECK(try_to_dial(all.dial, host) == "refused 4");
}

TEST_CASE("backing_off: a caller that is stopped or late before it begins is no probe") {
    fails all;
    try_to_dial(all.dial, host);
    all.clock.advance(100ms);
    std::stop_source caller;
    caller.request_stop();
    const std::vector<pool::dial_context> given_up{
        {.stop = caller.get_token()}, {.deadline = real::now()}, {.deadline = real::time_point::min()}};
    for (const auto& context : given_up) CHECK(try_to_dial(all.dial, host, context) == "refused 1");
    CHECK(try_to_dial(all.dial, host, pool::dial_context{.deadline = real::now() + 1h}) == "refused 2");
}

TEST_CASE("backing_off: where no key fails, such a caller dials, and its error does not count") {
    fails all;
    CHECK(try_to_dial(all.dial, host, pool::dial_context{.deadline = real::now()}) == "refused 1");
    CHECK(try_to_dial(all.dial, host) == "refused 2");
    all.clock.advance(2s);  // forgotten
    CHECK(try_to_dial(all.dial, host, pool::dial_context{.deadline = real::now()}) == "refused 3");
    CHECK(all.dial.remembered() == 0);
}

TEST_CASE("backing_off: a deadline that passes during the dial counts") {
    fails all;
    all.server.dials.each([&](const pool::dial_context& context) {
        while (real::now() < context.deadline) {
        }
        throw std::runtime_error{"no answer"};
    });
    // A thread that is held up is late before it begins, and has to try again with more time.
    for (auto time = 1ms; time < 8s && all.dial.remembered() == 0; time *= 2)
        try_to_dial(all.dial, host, pool::dial_context{.deadline = real::now() + time});
    CHECK(all.dial.remembered() == 1);
}

TEST_CASE("backing_off: memory that runs out in a dial does not count") {
    const thrower<std::bad_alloc> dial;
    CHECK(dials_of_five(pool::backing_off{dial}, *dial.dials) == 5);
    const thrower<std::bad_array_new_length> array;
    CHECK(dials_of_five(pool::backing_off{array, {.counts = [](const auto&) { return true; }}}, *array.dials) == 5);
}

TEST_CASE("backing_off: any exception counts, unless the predicate says no") {
    const thrower<int> plain;
    CHECK(dials_of_five(pool::backing_off{plain}, *plain.dials) == 1);
    const auto is_no_int = [](const std::exception_ptr& error) {
        try {
            std::rethrow_exception(error);
        } catch (int) {
            return false;
        } catch (...) {
            return true;
        }
    };
    const thrower<int> ignored;
    CHECK(dials_of_five(pool::backing_off{ignored, {.counts = is_no_int}}, *ignored.dials) == 5);
    const thrower<long> counted;
    CHECK(dials_of_five(pool::backing_off{counted, {.counts = is_no_int}}, *counted.dials) == 1);
}

TEST_CASE("backing_off: if the predicate throws, the caller gets that, and the dial proves nothing") {
    pool::manual_clock clock;
    bool throws = false;
    const auto predicate = [&](const auto&) { return throws ? throw std::logic_error{"predicate"} : true; };
    pool::backing_off dial{
        [](int) -> conn { throw refused{1}; }, {.first = 1s, .jitter = 0, .counts = predicate}, clock};
    CHECK_THROWS_AS((void)dial(1), refused);
    clock.advance(1s);
    throws = true;
    CHECK_THROWS_WITH_AS((void)dial(1), "predicate", std::logic_error);
    CHECK_THROWS_WITH_AS((void)dial(1), "predicate", std::logic_error);  // a probe, too
}

TEST_CASE("backing_off: an option that makes no sense is refused in a sentence") {
    const auto sentence = [](pool::backing_off_options options) -> std::string {
        try {
            pool::backing_off dial{[](int) { return conn{}; }, options};
        } catch (const std::invalid_argument& error) {
            return error.what();
        }
        return "none";
    };
    CHECK(sentence({}) == "none");
    CHECK(sentence({.first = 1ns, .most = 1ns, .factor = 1, .jitter = 1}) == "none");
    CHECK(sentence({.first = 0s}) == "pool: an option of backing_off: first is 0 ns, and must be more than 0 ns");
    CHECK(sentence({.first = -1ms}) ==
          "pool: an option of backing_off: first is -1000000 ns, and must be more than 0 ns");
    CHECK(sentence({.first = 2ns, .most = 1ns}) ==
          "pool: an option of backing_off: most is 1 ns, and must not be less than first, which is 2 ns");
    CHECK(sentence({.factor = 0.5}) == "pool: an option of backing_off: factor is 0.500000, and must be at least 1");
    CHECK(sentence({.jitter = 1.5}) == "pool: an option of backing_off: jitter is 1.500000, and must be from 0 to 1");
    CHECK(sentence({.jitter = -0.5}) == "pool: an option of backing_off: jitter is -0.500000, and must be from 0 to 1");
    constexpr double no_number = std::numeric_limits<double>::quiet_NaN();
    CHECK(sentence({.factor = no_number}).find("factor is ") != std::string::npos);
    CHECK(sentence({.jitter = no_number}).find("jitter is ") != std::string::npos);
}

TEST_CASE("backing_off: is a dial whenever the wrapped one is") {
    pool::backing_off of_key{[](int key) { return immovable{key}; }};
    static_assert(pool::dial_function<decltype(of_key), int, immovable>);
    static_assert(pool::dial_function<const decltype(of_key), int, immovable>);
    static_assert(!pool::dial_function<decltype(of_key), std::string, immovable>);
    static_assert(!pool::dial_function<decltype(of_key), pool::no_key, immovable>);
    static_assert(!pool::dial_function<decltype(of_key), int, conn>);
    CHECK(of_key(7).id == 7);

    pool::backing_off of_nothing{[] { return conn{}; }};
    static_assert(pool::dial_function<decltype(of_nothing), pool::no_key, conn>);
    static_assert(!pool::dial_function<decltype(of_nothing), int, conn>);
    CHECK(of_nothing(pool::no_key{}) == nullptr);

    pool::backing_off of_member{&address::open};
    static_assert(pool::dial_function<decltype(of_member), address, conn>);
    CHECK(*of_member(address{"a"}) == 7);

    pool::backing_off changing{[calls = 0](const std::string&) mutable { return std::make_unique<int>(++calls); }};
    static_assert(pool::dial_function<decltype(changing), std::string, conn>);
    static_assert(!pool::dial_function<const decltype(changing), std::string, conn>);
    (void)changing(host);
    CHECK(*changing(host) == 2);
}

TEST_CASE("backing_off: the dial gets the context of its caller") {
    std::stop_source caller;
    const pool::dial_context context{.deadline = real::time_point::max() - 1h, .stop = caller.get_token()};
    bool is_seen = false;
    const pool::backing_off dial{[&](const pool::dial_context& seen) {
        is_seen = seen.deadline == context.deadline && seen.stop == context.stop;
        return conn{};
    }};
    (void)dial(pool::no_key{}, context);
    CHECK(is_seen);
}
