// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/reaper.hpp>

#include <support/fake.hpp>
#include <support/latch.hpp>

namespace reaper_cases {

namespace {

using namespace std::chrono_literals;

/// A clock that records when a reaper falls asleep, and until when.
template <class Clock>
class watched : public Clock {
public:
    using time_point = typename Clock::time_point;

    /// Waits until a reaper falls asleep. Returns the time until which it sleeps, since the clock's zero.
    typename Clock::duration next_sleep() {
        std::unique_lock guard{sleeps_->mutex};
        sleeps_->begun.wait(guard, [&] { return !sleeps_->until.empty(); });
        const time_point until = sleeps_->until.front();
        sleeps_->until.pop_front();
        return until.time_since_epoch();
    }

    friend void sleep_until(const watched& clock, time_point until, const std::stop_token& stop) {
        {
            const std::scoped_lock guard{clock.sleeps_->mutex};
            clock.sleeps_->until.push_back(until);
        }
        clock.sleeps_->begun.notify_one();
        using pool::core::sleep_until;  // or the clock's own
        sleep_until(static_cast<const Clock&>(clock), until, stop);
    }

private:
    struct sleeps {
        std::mutex mutex;  ///< guards `until`
        std::condition_variable begun;
        std::deque<time_point> until;
    };
    std::shared_ptr<sleeps> sleeps_ = std::make_shared<sleeps>();
};

template <class Clock>
using expiring_pool =
    pool::basic_pool<std::string, fake::connection, pool::unlimited, pool::after_idle, std::mutex, Clock>;

using watched_clock = watched<pool::manual_clock>;
using watched_pool = expiring_pool<watched_clock>;
using watched_reaper = pool::reaper<watched_pool>;

}  // namespace

TEST_CASE("reaper: closes each connection at its own expiry time and not before [C7]") {
    fake::network net;
    watched_clock clock;
    watched_pool conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    clock.advance(4s);
    conns.put("b", net.dial());
    const watched_reaper reaper{conns};

    CHECK(clock.next_sleep() == 10s);
    CHECK(net.closed().empty());
    clock.advance(6s);
    CHECK(clock.next_sleep() == 14s);
    CHECK(net.closed() == std::vector{1});
    clock.advance(4s);
    CHECK(clock.next_sleep() == 24s);
    CHECK(net.closed() == std::vector{2});
}

TEST_CASE("reaper: plans anew when it is woken") {
    fake::network net;
    watched_clock clock;
    watched_pool conns{{}, 1h, {}, clock};
    conns.put("a", net.dial());
    watched_reaper reaper{conns};
    CHECK(clock.next_sleep() == 1h);
    conns.reconfigure(pool::after_idle{10s});
    reaper.wake();
    CHECK(clock.next_sleep() == 10s);
    reaper.wake();
    CHECK(clock.next_sleep() == 10s);
    clock.advance(10s);
    CHECK(clock.next_sleep() == 20s);
    CHECK(net.closed() == std::vector{1});
}

TEST_CASE("reaper: closes at once what was due before it began") {
    fake::network net;
    watched_clock clock;
    watched_pool conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    clock.advance(10s);
    const watched_reaper reaper{conns};
    clock.next_sleep();
    CHECK(net.closed() == std::vector{1});
}

TEST_CASE("reaper: wakes once in each time to live while the pool is empty") {
    watched_clock clock;
    watched_pool conns{{}, 10s, {}, clock};
    const watched_reaper reaper{conns};
    CHECK(clock.next_sleep() == 10s);
    clock.advance(10s);
    CHECK(clock.next_sleep() == 20s);
}

TEST_CASE("reaper: closes in time a connection that is put while it sleeps") {
    fake::network net;
    watched_clock clock;
    watched_pool conns{{}, 10s, {}, clock};
    const watched_reaper reaper{conns};
    CHECK(clock.next_sleep() == 10s);
    clock.advance(3s);
    conns.put("a", net.dial());

    clock.advance(7s);
    CHECK(clock.next_sleep() == 13s);
    CHECK(net.closed().empty());
    clock.advance(3s);
    clock.next_sleep();
    CHECK(net.closed() == std::vector{1});
}

TEST_CASE("reaper: does not close a lent connection, however long it is lent") {
    fake::network net;
    watched_clock clock;
    watched_pool conns{{}, 10s, {}, clock};
    const auto lent = conns.acquire("a", net.dialer());
    const watched_reaper reaper{conns};
    clock.next_sleep();
    clock.advance(10s);
    CHECK(clock.next_sleep() == 20s);
    CHECK(net.closed().empty());
}

TEST_CASE("reaper: a close that throws stops neither the sweep nor the reaper [C13]") {
    fake::network net;
    watched_clock clock;
    watched_pool conns{{}, 10s, {}, clock};
    net.prepare([](fake::line& line) { line.on_close = [] { throw std::runtime_error{"reset by peer"}; }; });
    conns.put("a", net.dial());
    conns.put("b", net.dial());
    const watched_reaper reaper{conns};

    clock.next_sleep();
    clock.advance(10s);
    clock.next_sleep();
    CHECK(net.closed() == std::vector{1, 2});
    CHECK(conns.stats().failed_closes == 2);

    conns.put("a", net.dial());
    clock.advance(10s);
    clock.next_sleep();
    CHECK(net.closed() == std::vector{3});
}

TEST_CASE("reaper: a connection's close may use the pool [C8]") {
    fake::network net;
    watched_clock clock;
    watched_pool conns{{}, 10s, {}, clock};
    std::promise<pool::stats> seen;
    net.prepare([&](fake::line& line) { line.on_close = [&] { seen.set_value(conns.stats()); }; });
    conns.put("a", net.dial());
    const watched_reaper reaper{conns};
    clock.advance(10s);
    CHECK(seen.get_future().get().closing == 1);
}

TEST_CASE("reaper: sleeps without end once its pool is closed [C11]") {
    watched_clock clock;
    watched_pool conns{{}, 10s, {}, clock};
    const watched_reaper reaper{conns};
    clock.next_sleep();
    conns.close();
    clock.advance(10s);
    CHECK(clock.next_sleep() == pool::manual_clock::duration::max());
}

TEST_CASE("reaper: sleeps for good where nothing that is given back is kept") {
    for (const auto ttl : {0s, -1s, -1'000'000s}) {
        fake::network net;
        watched_clock clock;
        watched_pool conns{{}, ttl, {}, clock};
        const watched_reaper reaper{conns};
        CHECK(clock.next_sleep() == pool::manual_clock::duration::max());
        conns.put("a", net.dial());
        CHECK(net.closed() == std::vector{1});
        clock.advance(1s);  // wakes it for nothing
        CHECK(conns.next_expiry() == watched_clock::time_point::max());
    }
}

TEST_CASE("reaper: its destructor ends its sleep, even a sleep without end") {
    watched_clock clock;
    watched_pool conns{{}, pool::after_idle{}, {}, clock};
    const watched_reaper reaper{conns};
    CHECK(clock.next_sleep() == pool::manual_clock::duration::max());
}

TEST_CASE("reaper: its destructor ends its sleep with a real clock") {
    watched<std::chrono::steady_clock> clock;
    expiring_pool<watched<std::chrono::steady_clock>> conns{{}, 1h, {}, clock};
    const pool::reaper reaper{conns};
    clock.next_sleep();
}

TEST_CASE("reaper: its destructor waits for a close that has begun") {
    fake::network net;
    watched_clock clock;
    watched_pool conns{{}, 10s, {}, clock};
    latch closing{1};
    latch ending{1};
    std::atomic<bool> finished{false};
    net.prepare([&](fake::line& line) {
        line.on_close = [&] {
            closing.count_down();
            ending.wait();
            finished = true;
        };
    });
    conns.put("a", net.dial());
    std::optional<watched_reaper> reaper{conns};
    clock.advance(10s);
    closing.wait();

    ending.count_down();
    reaper.reset();
    CHECK(finished);
}

TEST_CASE("reaper: with a real clock it closes connections in real time") {
    fake::network net;
    expiring_pool<std::chrono::steady_clock> conns{{}, 2ms};
    std::promise<void> closed;
    net.prepare([&](fake::line& line) { line.on_close = [&] { closed.set_value(); }; });
    conns.put("a", net.dial());
    const pool::reaper reaper{conns};
    closed.get_future().wait();
    CHECK(conns.stats().expired == 1);
}

}  // namespace reaper_cases
