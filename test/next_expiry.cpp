// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/sharded_pool.hpp>

#include <support/fake.hpp>

// What `next_expiry` promises, and what it does not.

namespace next_expiry_cases {

using namespace std::chrono_literals;

namespace {

/// A clock that stops its reader: after a reading it runs what the test has set, once.
struct stopping_clock {
    using duration = std::chrono::milliseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<stopping_clock, duration>;
    static constexpr bool is_steady = true;

    static time_point now() {
        const time_point read = time;
        if (const auto run = std::exchange(after_reading, nullptr)) run();
        return read;
    }

    static inline time_point time{};
    static inline std::function<void()> after_reading;
};

template <class Clock>
using expiring = pool::basic_pool<std::string, fake::connection, pool::unlimited, pool::after_idle, std::mutex, Clock>;
using sharded = pool::sharded_pool<2, std::string, fake::connection, pool::unlimited, pool::after_idle, std::mutex,
    pool::manual_clock>;

}  // namespace

TEST_CASE_TEMPLATE("next_expiry: nothing that is idle, or given back from now on, expires before", Pool,
    expiring<pool::manual_clock>, sharded) {
    fake::network net;
    pool::manual_clock clock;
    Pool conns{{}, 10s, {}, clock};
    auto lent = conns.acquire("a", net.dialer());
    CHECK(conns.next_expiry().time_since_epoch() == 10s);
    clock.advance(4s);
    const auto promised = conns.next_expiry();
    CHECK(promised.time_since_epoch() == 14s);
    lent.give_back();
    CHECK(conns.next_expiry() == promised);
    clock.advance(3s);
    conns.put("b", net.dial());
    CHECK(conns.next_expiry() == promised);
    clock.set(promised - 1ns);
    CHECK(conns.expire() == 0);
    clock.set(promised);
    CHECK(conns.expire() == 1);
}

TEST_CASE_TEMPLATE(
    "next_expiry: is max() where nothing that is given back is kept", Pool, expiring<pool::manual_clock>, sharded) {
    fake::network net;
    pool::manual_clock clock;
    for (const auto ttl : {0s, -1s, -1'000'000s}) {
        Pool conns{{}, ttl, {}, clock};
        CHECK(conns.next_expiry() == pool::manual_clock::time_point::max());
        conns.put("a", net.dial());
        CHECK(conns.stats().idle == 0);
        CHECK(conns.next_expiry() == pool::manual_clock::time_point::max());
        clock.advance(1s);
        CHECK(conns.next_expiry() == pool::manual_clock::time_point::max());
    }
}

TEST_CASE("next_expiry: a give-back that was held up may come before, and is not lent after its time") {
    using time_point = stopping_clock::time_point;
    fake::network net;
    stopping_clock::time = time_point{};
    expiring<stopping_clock> conns{{}, 100ms};
    auto lent = conns.acquire("a", net.dialer());

    time_point promised;
    stopping_clock::after_reading = [&] {  // between the clock and the lock
        stopping_clock::time += 50ms;
        promised = conns.next_expiry();
    };
    lent.give_back();
    CHECK(promised == time_point{150ms});
    CHECK(conns.next_expiry() == time_point{100ms});  // earlier by the time that it was held up

    stopping_clock::time = time_point{99ms};
    CHECK(conns.try_acquire("a"));
    stopping_clock::time = promised;
    conns.put("b", net.dial());
    stopping_clock::time = time_point{300ms};
    CHECK_FALSE(conns.try_acquire("b"));
    CHECK(conns.expire() == 1);
}

}  // namespace next_expiry_cases
