// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>

#include <doctest/doctest.h>

#include <pool/dial/backing_off.hpp>
#include <pool/dial/timed.hpp>
#include <pool/policies/clock.hpp>
#include <pool/pool.hpp>

#include <support/fake.hpp>
#include <support/refusing_server.hpp>

namespace {

using namespace std::chrono_literals;
using real = std::chrono::steady_clock;
using conn = std::unique_ptr<int>;

/// A clock that the test sets, with the time points of a dial_context.
struct set_clock {
    using duration = real::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = real::time_point;
    static constexpr bool is_steady = true;
    time_point now() const { return *time; }
    std::shared_ptr<time_point> time = std::make_shared<time_point>(10s);
};

/// Notes the context that it gets.
struct noting {
    conn operator()(const std::string&, const pool::dial_context& context) const {
        *seen = context;
        return {};
    }
    std::shared_ptr<pool::dial_context> seen = std::make_shared<pool::dial_context>();
};

}  // namespace

TEST_CASE("timed: the earlier one of the two deadlines is that of the dial") {
    const set_clock clock;
    const noting dial;
    const pool::timed limited(3s, dial, clock);
    const std::string key = "db";
    const auto deadline_with = [&](real::time_point callers) {
        (void)limited(key, pool::dial_context{.deadline = callers});
        return dial.seen->deadline;
    };
    CHECK(deadline_with(real::time_point::max()) == real::time_point{13s});
    CHECK(deadline_with(real::time_point{13s + 1ns}) == real::time_point{13s});
    CHECK(deadline_with(real::time_point{12s}) == real::time_point{12s});
    CHECK(deadline_with(real::time_point::min()) == real::time_point::min());
    *clock.time += 1s;
    (void)limited(key);  // as a plain dial
    CHECK(dial.seen->deadline == real::time_point{14s});
}

TEST_CASE("timed: passes the stop token on") {
    std::stop_source caller;
    const noting dial;
    (void)pool::timed(1s, dial)(std::string{}, pool::dial_context{.stop = caller.get_token()});
    CHECK(dial.seen->stop == caller.get_token());
}

TEST_CASE("timed: saturates [C18]") {
    const set_clock clock;
    const noting dial;
    (void)pool::timed(std::chrono::hours::max(), dial, clock)(std::string{});
    CHECK(dial.seen->deadline == real::time_point::max());
    *clock.time = real::time_point::max() - 1s;
    (void)pool::timed(3s, dial, clock)(std::string{});
    CHECK(dial.seen->deadline == real::time_point::max());
}

TEST_CASE("timed: a limit may be of any unit, and is rounded up to the tick") {
    const set_clock clock;
    const noting dial;
    (void)pool::timed(std::chrono::duration<double>{0.5}, dial, clock)(std::string{});
    CHECK(dial.seen->deadline == real::time_point{10500ms});
    (void)pool::timed(std::chrono::duration<double, std::nano>{0.5}, dial, clock)(std::string{});
    CHECK(dial.seen->deadline == real::time_point{10s + 1ns});
}

TEST_CASE("timed: a limit that no dial could meet is refused in a sentence") {
    CHECK_THROWS_WITH_AS(pool::timed(0s, noting{}),
        "pool: the limit of a timed dial is 0 ns, and must be more than 0 ns", std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool::timed(-1us, noting{}),
        "pool: the limit of a timed dial is -1000 ns, and must be more than 0 ns", std::invalid_argument);
}

TEST_CASE("timed: is a dial whenever the wrapped one is, and limits it in a pool") {
    const noting dial;
    const pool::timed limited(1h, dial);
    static_assert(pool::context_dial_function<decltype(limited), std::string, conn>);
    static_assert(!pool::dial_function<decltype(limited), int, conn>);
    const auto of_nothing = pool::timed(1h, [](const pool::dial_context&) { return conn{}; });
    static_assert(pool::dial_function<decltype(of_nothing), pool::no_key, conn>);

    fake::refusing_server server;
    server.up();
    auto deadline = real::time_point::max();
    server.dials.each([&](const pool::dial_context& context) { deadline = context.deadline; });
    pool::bounded_pool<std::string, fake::connection> conns{{}, pool::timed(1h, server.dial())};
    const auto before = real::now();
    (void)conns.acquire("db");
    CHECK(deadline >= before + 1h);
    CHECK(deadline <= real::now() + 1h);
}

TEST_CASE("timed, backing_off: in either order, the dial has the limit, and its failure counts") {
    pool::manual_clock clock;
    int dials = 0;
    const auto late = [&](const std::string&, const pool::dial_context& context) -> conn {
        ++dials;
        if (context.deadline > real::now() + 1h) throw std::logic_error{"no limit"};
        throw std::runtime_error{"no answer"};
    };
    const auto inner = [&](auto dial) {
        dials = 0;
        for (int i = 0; i != 3; ++i) CHECK_THROWS_WITH_AS((void)dial(std::string{}), "no answer", std::runtime_error);
        return dials;
    };
    CHECK(inner(pool::backing_off{pool::timed(1h, late), {}, clock}) == 1);
    CHECK(inner(pool::timed(1h, pool::backing_off{late, {}, clock})) == 1);
}
