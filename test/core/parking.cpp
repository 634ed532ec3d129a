// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <type_traits>

#include <doctest/doctest.h>

#include <pool/core/parking.hpp>

namespace core_parking_cases {

using namespace std::chrono_literals;

namespace {

template <class Lock, class Clock>
struct fixture {
    using time_point = typename Clock::time_point;

    /// Waits as a caller of a pool does: it looks, and waits until it is woken to look again. Returns whether it was
    /// served.
    bool wait(time_point until) {
        for (;;) {
            std::unique_lock guard{lock};
            if (served) return true;
            if (clock.now() >= until) return false;
            waiting.wait(std::move(guard), clock, until);
        }
    }
    void serve() {
        const std::lock_guard guard{lock};
        served = true;
        waiting.wake();
    }

    Lock lock;
    Clock clock{};
    pool::core::parked_thread<Lock, Clock> waiting;
    bool served = false;
};

}  // namespace

TEST_CASE_TEMPLATE("parked_thread: it is woken, with any lock and any clock", Case,
    fixture<std::mutex, std::chrono::steady_clock>, fixture<std::shared_mutex, std::chrono::steady_clock>,
    fixture<std::mutex, pool::manual_clock>) {
    Case f;
    SUBCASE("while it waits") {
        bool got = false;
        std::thread other{[&] { got = f.wait(Case::time_point::max()); }};
        f.serve();
        other.join();
        CHECK(got);
    }
    SUBCASE("before it waits") {
        f.serve();
        CHECK(f.wait(Case::time_point::max()));
    }
}

TEST_CASE_TEMPLATE("parked_thread: it waits until its deadline, in real time", Lock, std::mutex, std::shared_mutex) {
    fixture<Lock, std::chrono::steady_clock> f;
    const auto until = f.clock.now() + 1ms;
    CHECK_FALSE(f.wait(until));
    CHECK(f.clock.now() >= until);
}

TEST_CASE("parked_thread: it waits until its deadline, by the test's clock") {
    fixture<std::mutex, pool::manual_clock> f;
    bool got = true;
    std::thread other{[&, until = f.clock.now() + 10s] { got = f.wait(until); }};
    f.clock.advance(9s);
    f.clock.advance(1s);
    other.join();
    CHECK_FALSE(got);
}

TEST_CASE("parked_thread: a wake-up before it looks does not wake it again") {
    fixture<std::mutex, pool::manual_clock> f;
    f.waiting.wake();
    bool got = true;
    std::thread other{[&, until = f.clock.now() + 1s] { got = f.wait(until); }};
    f.clock.advance(1s);
    other.join();
    CHECK_FALSE(got);
}

TEST_CASE("parked_thread: its condition variable depends on the lock") {
    CHECK(std::is_same_v<pool::lock_traits<std::mutex>::condition_variable, std::condition_variable>);
    CHECK(std::is_same_v<pool::lock_traits<std::shared_mutex>::condition_variable,
        pool::core::condition_variable_for<std::shared_mutex>>);
    CHECK(pool::waiting_lock<std::recursive_mutex>);
    CHECK_FALSE(pool::waiting_lock<pool::null_mutex>);
}

}  // namespace core_parking_cases
