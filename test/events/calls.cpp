// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/pool.hpp>

#include <support/latch.hpp>
#include <support/observed_pool.hpp>

// How an observer is called, and what it may do.

namespace observed {

#define EACH_CALLING_POOL(name) TEST_CASE_TEMPLATE(name, Pool, idle_pool, open_pool)

EACH_CALLING_POOL("events: an observer may call the pool, and what that does is told after it [C29]") {
    fixture<Pool> f;
    f.put("b");
    f.told.clear();
    f.then = [&, n = 0](const event& e) mutable {
        if (e.kind != event_kind::lent || n++ != 0) return;
        CHECK(f.conns->stats().lent == 1);
        CHECK(f.conns->clear() == 1);
        f.told.push_back("cleared");
        f.acquire("c").give_back();
        f.told.push_back("acquired");
    };
    auto lent = f.acquire("a");
    CHECK(f.events() == texts{"\"a\": connection 2 opened", "\"a\": connection 2 lent, fresh", "cleared", "acquired",
                            "\"b\": connection 1 retired: cleared", "\"b\": connection 1 closed",
                            "\"c\": connection 3 opened", "\"c\": connection 3 lent, fresh",
                            "\"c\": connection 3 given back"});
    f.then = nullptr;
}

TEST_CASE("events: an observer that wants the permit of what has left gets it [C29]") {
    fixture<open_pool> f{{.max_open = 1}};
    int acquired = 0;
    const auto acquire_at = [&](event_kind kind) {
        f.then = [&, kind](const event& e) {
            if (e.kind != kind || acquired != 0) return;
            ++acquired;
            f.conns->acquire("a", f.dial(), 1ns).give_back();
        };
    };
    SUBCASE("of a connection that was discarded") {
        auto lent = f.acquire();
        acquire_at(event_kind::retired);
        lent.discard();
    }
    SUBCASE("of a dial that has failed") {
        f.dials.next([](const pool::dial_context&) { throw std::runtime_error{"no route"}; });
        acquire_at(event_kind::dial_failed);
        CHECK_THROWS((void)f.acquire());
    }
    f.then = nullptr;
    CHECK(acquired == 1);
    CHECK(f.conns->stats().failed_events == 0);
}

EACH_CALLING_POOL("events: what is left when the pool is destroyed in the middle of a call is not told") {
    std::vector<event_kind> told;
    latch is_called{1}, may_go_on{1};
    pool::testing::fake_dialer dials;
    auto conns = std::make_unique<pool::basic_pool<std::string, fake_connection, capacity_of<Pool>>>(
        capacity_of<Pool>{}, pool::never{}, pool::pool_settings{.on_event = [&](const event& e) {
            told.push_back(e.kind);
            if (e.kind != event_kind::given_back) return;
            is_called.count_down();
            may_go_on.wait();
        }}, dials);
    auto lent = conns->acquire("a");
    told.clear();
    conns->close();
    std::thread other{[&] { lent.give_back(); }};  // which is given back, retired and closed
    is_called.wait();
    conns.reset();
    may_go_on.count_down();
    other.join();
    CHECK(told == std::vector{event_kind::given_back});
    CHECK(dials[1].closes == 1);
}

EACH_CALLING_POOL("events: an observer may close the pool") {
    fixture<Pool> f;
    f.then = [&](const event& e) {
        if (e.kind == event_kind::given_back) f.conns->close();
    };
    f.acquire().give_back();
    CHECK(f.told.back() == "\"a\": connection 1 closed");
    CHECK_THROWS_AS((void)f.acquire(), pool::pool_closed);
    f.then = nullptr;
}

EACH_CALLING_POOL("events: an observer that throws is counted, and nothing else changes [C29]") {
    int calls = 0;
    pool::testing::fake_dialer dials;
    Pool conns{{}, {}, {.on_event = [&](const event&) {
                   if (++calls % 2 == 0) throw std::runtime_error{"an observer"};
                   if (calls % 3 == 0) throw 7;
               }}, dials};
    for (int n = 0; n != 4; ++n) conns.acquire("a").give_back();
    CHECK(calls == 9);
    CHECK(conns.stats().failed_events == 6);
    CHECK(conns.stats().lost_events == 0);
    CHECK(conns.stats().idle == 1);
}

EACH_CALLING_POOL("events: an observer is not called when its pool was destroyed [C29]") {
    std::vector<event_kind> told;
    pool::testing::fake_dialer dials;
    auto observer = std::make_unique<pool::event_observer>([&](const event& e) { told.push_back(e.kind); });
    typename Pool::lease_type lent;
    {
        Pool conns{{}, {}, {.on_event = [its = observer.get()](const event& e) { (*its)(e); }}, dials};
        auto lazy = conns.get("a");
        conns.acquire("b").give_back();
        lent = conns.acquire("a");
    }
    CHECK(told.size() == 7);
    CHECK(told.back() == event_kind::closed);  // of b: the end of the pool is told
    observer.reset();
    lent.give_back();
    CHECK(told.size() == 7);
    CHECK(dials[2].closes == 1);
}

EACH_CALLING_POOL("events: a lazy connection keeps the pool's state, but not its observer [C29]") {
    int calls = 0;
    pool::testing::fake_dialer dials;
    auto conns = std::make_unique<Pool>(
        capacity_of<Pool>{}, pool::never{}, pool::pool_settings{.on_event = [&](const event&) { ++calls; }});
    auto lazy = conns->get("a", dials);
    lazy.invoke([](fake_connection& c) { c.use(); });
    auto lent = conns->acquire("b", dials);
    conns.reset();
    const int before = calls;
    CHECK_THROWS_AS(lazy.invoke([](fake_connection&) {}), pool::pool_closed);
    lent.give_back();
    CHECK(calls == before);
}

EACH_CALLING_POOL("events: an observer that is too slow loses events, and the figures count them [C29]") {
    pool::testing::fake_dialer dials;
    std::size_t told = 0;
    bool is_slow = true;
    std::optional<Pool> conns;
    const auto observer = [&](const event&) {
        ++told;
        if (!std::exchange(is_slow, false)) return;
        for (int n = 0; n != 10'000; ++n) conns->acquire("a").give_back();
    };
    conns.emplace(capacity_of<Pool>{}, pool::never{}, pool::pool_settings{.on_event = observer}, dials);
    conns->put("a", dials("a"));
    CHECK(told == 1 + 16'384);
    CHECK(conns->stats().lost_events == 20'000 - 16'384);
    told = 0;
    conns->acquire("a").give_back();
    CHECK(told == 2);
}

using threaded_idle = pool_of<pool::bounded, pool::never, fake_connection, std::mutex>;
using threaded_open = pool_of<pool::bounded_open, pool::never, fake_connection, std::mutex>;

TEST_CASE_TEMPLATE("events: one thread at a time calls the observer, and others go on meanwhile [C29]", Pool, threaded_idle,
    threaded_open) {
    latch is_called{1}, may_go_on{1};
    std::vector<std::string> told;
    std::vector<std::thread::id> by;
    pool::testing::fake_dialer dials;
    Pool conns{{}, {}, {.on_event = [&](const event& e) {
                   if (told.empty()) {
                       is_called.count_down();
                       may_go_on.wait();
                   }
                   told.push_back(pool::to_string(e).substr(0, 30));
                   by.push_back(std::this_thread::get_id());
               }}, dials};
    std::thread other{[&] { conns.put("a", dials("a")); }};
    const auto its_id = other.get_id();
    is_called.wait();
    conns.acquire("a").give_back();  // nothing of this waits for the observer
    CHECK(conns.stats().hits == 1);
    may_go_on.count_down();
    other.join();
    CHECK(told.size() == 3);
    CHECK(by == std::vector{its_id, its_id, its_id});
}

TEST_CASE_TEMPLATE("events: the figures are the sums of the events of many threads [C29]", Pool, threaded_idle,
    threaded_open) {
    event_ledger ledger;
    std::atomic<int> inside{0};
    int at_once = 0;
    pool::testing::fake_dialer dials;
    Pool conns{{.max_idle = 2}, {}, {.on_event = [&](const event& e) {
                   if (inside.fetch_add(1) != 0) ++at_once;
                   ledger(e);
                   inside.fetch_sub(1);
               }}, dials};
    std::vector<std::thread> all;
    for (int of = 0; of != 4; ++of)
        all.emplace_back([&, key = std::string(1, static_cast<char>('a' + of % 3))] {
            for (int n = 0; n != 300; ++n) {
                auto lent = conns.acquire(key);
                if (n % 7 == 0) lent.discard();
                if (n % 31 == 0) conns.invalidate(key);
                if (n % 53 == 0) conns.clear();
            }
        });
    for (std::thread& each : all) each.join();
    conns.close();
    CHECK(at_once == 0);
    CHECK(ledger.difference(conns.stats()) == "");
}

TEST_CASE("events: drain waits for the observer") {
    latch is_called{1}, may_go_on{1};
    std::atomic<bool> is_over{false};
    pool::testing::fake_dialer dials;
    pool::basic_pool<std::string, fake_connection, pool::bounded_open> conns{{}, {}, {.on_event = [&](const event& e) {
        if (e.kind != event_kind::closed) return;
        is_called.count_down();
        may_go_on.wait();
        is_over = true;
    }}, dials};
    conns.put("a", dials("a"));
    std::thread other{[&] { conns.close(); }};
    is_called.wait();
    std::thread opener{[&] { may_go_on.count_down(); }};
    CHECK(conns.drain(1h) == 0);
    CHECK(is_over);
    other.join();
    opener.join();
}

}  // namespace observed
