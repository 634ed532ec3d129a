// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <pool/pool.hpp>
#include <pool/testing.hpp>
#include <pool/testing/failing_allocation.hpp>  // in one file of a test program

/// @file
/// How to test code that uses a pool, or that is built like one. The test decides what time it is, what the peers do,
/// who runs when, and what fails. Nothing sleeps, and nothing depends on the speed of the machine.

using namespace std::chrono_literals;

// 1. Time and peers.

// [client]
// The code under test. The pool is a template parameter. In the program it is connection_pool<std::string, connection>.
template <class Pool, class Dial>
class weather_client {
public:
    weather_client(Pool& conns, Dial dial) : station_{conns.get("weather.example:7777", std::move(dial))} {}

    std::string forecast(const std::string& place) {
        return station_.invoke([&](auto& conn) {
            conn.use("asks for a forecast");
            return "sunny in " + place;
        });
    }

private:
    decltype(std::declval<Pool&>().get("", std::declval<Dial>())) station_;
};
// [/client]

// [time]
TEST_CASE("weather_client: asks again on the same connection, until that has been idle for too long") {
    using test_pool = pool::basic_pool<std::string, pool::testing::fake_connection, pool::bounded, pool::after_idle,
        std::mutex, pool::manual_clock>;
    pool::manual_clock clock;  // copies share one time: when this one moves, the pool's copy moves, too
    pool::testing::fake_dialer dials;
    test_pool conns{pool::bounded{.max_idle_per_key = 1}, 30s, {.name = "test"}, clock};
    weather_client client{conns, dials};
    CHECK(dials.dials() == 0);

    CHECK(client.forecast("Bern") == "sunny in Bern");
    clock.advance(29s);
    client.forecast("Oslo");
    CHECK(dials.dials() == 1);
    CHECK(dials[1].uses == 2);

    clock.advance(30s);
    client.forecast("Rome");
    CHECK(dials.dials() == 2);
    CHECK(dials.closed() == std::vector{1});
}
// [/time]

// [peer]
TEST_CASE("weather_client: a peer that has gone fails one call, and the next one dials") {
    pool::testing::fake_dialer dials;
    pool::basic_pool<std::string, pool::testing::fake_connection> conns;
    weather_client client{conns, dials};
    client.forecast("Bern");

    dials[1].die_at_use(1);
    CHECK_THROWS(client.forecast("Oslo"));
    CHECK(client.forecast("Oslo") == "sunny in Oslo");
    CHECK(dials.dials() == 2);
}
// [/peer]

// 2. A race.

// [slots]
// Lets `size` threads in at once. The lock and its condition variable are template parameters.
template <class Lock = std::mutex, class Condition = std::condition_variable>
class slots {
public:
    explicit slots(int size) : free_{size} {}

    void enter() {
        {
            const std::lock_guard guard{lock_};
            if (free_ > 0) {
                --free_;
                return;
            }
        }
        std::unique_lock guard{lock_};  // too late: the last one may have left in between
        ++waiting_;
        freed_.wait(guard);
        --free_;
    }

    void leave() {
        const std::lock_guard guard{lock_};
        ++free_;
        if (waiting_ == 0) return;
        --waiting_;
        freed_.notify_one();
    }

private:
    Lock lock_;
    Condition freed_;
    int free_;
    int waiting_ = 0;
};
// [/slots]

// [mended]
template <class Lock = std::mutex, class Condition = std::condition_variable>
class mended_slots {
public:
    explicit mended_slots(int size) : free_{size} {}

    void enter() {
        std::unique_lock guard{lock_};
        freed_.wait(guard, [this] { return free_ > 0; });
        --free_;
    }

    void leave() {
        const std::lock_guard guard{lock_};
        ++free_;
        freed_.notify_one();
    }

private:
    Lock lock_;
    Condition freed_;
    int free_;
};
// [/mended]

// [race]
template <template <class, class> class Slots>
pool::testing::findings explore_two_users() {
    return pool::testing::explore([](pool::testing::exploration& test) {
        Slots<pool::testing::scheduled_lock, pool::testing::scheduled_condition> door{1};
        int inside = 0;
        const auto visit = [&] {
            door.enter();
            ++inside;
            test.at("is inside");
            test.require(inside == 1, "one is inside at a time");
            --inside;
            door.leave();
        };
        test.run({{"Ann", visit}, {"Bob", visit}});
    });
}

TEST_CASE("slots: whoever waits is let in") {
    const auto mended = explore_two_users<mended_slots>();
    CHECK(mended);
    CHECK(mended.all);
}
// [/race]

// [race_text]
TEST_CASE("slots: a look and a wait in two critical sections lose a wake-up") {
    const auto found = explore_two_users<slots>();
    CHECK(found.text == R"(a lost wake-up: nobody is left to notify those that wait
  Bob waits since step 10

    1  Ann       takes lock 1
    2  Ann       frees lock 1
    3  Ann       is inside
       Ann       -- is stopped here; its next step: takes lock 1
    4  Bob       takes lock 1
    5  Bob       frees lock 1
       Bob       -- is stopped here; its next step: takes lock 1
    6  Ann       takes lock 1
    7  Ann       frees lock 1
    8  Ann       ends
    9  Bob       takes lock 1
   10  Bob       waits at condition 1

schedules: 3, preemptions: 2, replay: AAABAB
)");
}
// [/race_text]

// 3. A failure.

// [log]
// A list of requests by number and by text. Both must have the same ones.
class request_log {
public:
    void add(int number, const std::string& text) {
        numbers_.push_back(number);
        texts_.push_back(text);
    }

    std::size_t size() const { return numbers_.size(); }
    bool is_whole() const { return numbers_.size() == texts_.size(); }

private:
    std::vector<int> numbers_;
    std::vector<std::string> texts_;
};
// [/log]

// [mended_log]
class mended_log {
public:
    void add(int number, const std::string& text) {
        numbers_.push_back(number);
        try {
            texts_.push_back(text);
        } catch (...) {
            numbers_.pop_back();
            throw;
        }
    }

    std::size_t size() const { return numbers_.size(); }
    bool is_whole() const { return numbers_.size() == texts_.size(); }

private:
    std::vector<int> numbers_;
    std::vector<std::string> texts_;
};
// [/mended_log]

// [failure]
template <class Log>
pool::testing::failures_result fail_each_allocation() {
    return pool::testing::explore_failures([](pool::testing::failure_run& run) {
        Log log;
        const bool is_added = run.during([&] { log.add(7, "a text that is too long to be kept without memory"); });
        run.require(log.is_whole(), "it has as many numbers as texts");
        run.require(log.size() == (is_added ? 1 : 0), "a request that was not added has left nothing");
    });
}

TEST_CASE("request_log: a request that cannot be added changes nothing") {
    const auto mended = fail_each_allocation<mended_log>();
    CHECK_MESSAGE(mended, mended.text());
    CHECK(mended.points() > 0);
}
// [/failure]

// [failure_text]
TEST_CASE("request_log: a list that has no memory for a text keeps the number") {
    const auto found = fail_each_allocation<request_log>();
    CHECK_FALSE(found);
    CHECK(found.wrong.front() ==
          "in run 3, in which the allocation number 3 has failed: this does not hold: it has as many numbers as texts");
}
// [/failure_text]
